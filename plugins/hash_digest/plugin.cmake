# EVP with explicit fetching came with OpenSSL 3.0.
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3.0)
target_link_libraries(${PLUGIN_TARGET} PRIVATE PkgConfig::CRYPTO)
