target_link_libraries(${PLUGIN_TARGET} PRIVATE PkgConfig::XXHASH)
