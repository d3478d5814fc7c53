"""borders.py - the rooms of core/ and whom each may call.

Path and control never meet; what they share lies in base and world. The same list stands in core/CMakeLists.txt, as the
links of each library.
"""

MAY_USE = {
    "base": [],
    "world": ["base"],
    "path": ["world", "base"],
    "control": ["world", "base"],
}

# pkg-config names of what each room may use besides the C library.
EXTERNAL = {
    "base": ["libevent_core"],
    "world": ["libconfig", "libxxhash"],
    "path": ["libevent_core", "libevent_pthreads"],
    "control": ["libevent_core", "libevent_extra", "libevent_pthreads", "jansson", "libcurl", "libcares"],
}
