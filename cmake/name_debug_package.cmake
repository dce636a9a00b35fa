# cpack calls the package of debug data .ddeb; apt takes a file that it is given for a package only if
# it ends in .deb.
foreach(file IN LISTS CPACK_PACKAGE_FILES)
  string(REGEX REPLACE "ktrial_([^/]*)\\.deb$" "ktrial-dbgsym_\\1" debug "${file}")
  if(EXISTS "${debug}.ddeb")
    file(RENAME "${debug}.ddeb" "${debug}.deb")
  endif()
endforeach()
