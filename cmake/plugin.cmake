# rm_add_plugin(NAME FOLDER OUTPUT_DIR)
#
# Builds FOLDER/*.c as OUTPUT_DIR/NAME.so. A plugin sees include/ and nothing else of the balancer, exports one symbol
# and resolves every other one by itself. A folder that needs more (a library, a define) says so in its own plugin.cmake,
# which is read with the target's name in PLUGIN_TARGET.

function(rm_add_plugin name folder output_dir)
    file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.c)
    if(NOT sources)
        return()
    endif()
    set(PLUGIN_TARGET ${name})
    add_library(${name} MODULE ${sources})
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/include)
    # No fused multiply-add: two balancers on different machines must build the same table.
    target_compile_options(${name} PRIVATE -ffp-contract=off)
    set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".so" C_VISIBILITY_PRESET hidden
        LIBRARY_OUTPUT_DIRECTORY ${output_dir})
    if(NOT RM_SANITIZE)
        target_link_options(${name} PRIVATE -Wl,-z,defs) # a sanitizer's symbols come from the program
    endif()
    if(EXISTS ${folder}/plugin.cmake)
        include(${folder}/plugin.cmake)
    endif()
endfunction()
