target_link_options(${PLUGIN_TARGET} PRIVATE -Wl,-z,nodelete)
