# md5, which defines where ketama's points are, is libcrypto's.
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
target_link_libraries(${PLUGIN_TARGET} PRIVATE OpenSSL::Crypto)
