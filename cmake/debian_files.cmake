# cpack runs this between installing and packing: what a Debian package has and `cmake --install` does
# not make. The guest's programs are static, most of a megabyte of C library in each: they lie there
# compressed, and ktrial unpacks the two or three that a guest needs.
set(tree ${CPACK_TEMPORARY_DIRECTORY}/program${CPACK_PACKAGING_INSTALL_PREFIX}/share)
set(doc ${tree}/doc/ktrial)

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(GLOB programs LIST_DIRECTORIES false ${tree}/ktrial/guest/* ${tree}/ktrial/workloads/*/*)
foreach(file IN LISTS programs)
  file(READ ${file} magic LIMIT 4 HEX)
  if(magic STREQUAL 7f454c46)
    run(${CPACK_KTRIAL_STRIP} ${file})
    run(zstd -q -19 --rm ${file})
    run(chmod a-x ${file}.zst)
  endif()
endforeach()

file(RENAME ${doc}/CHANGELOG.md ${doc}/changelog)
file(WRITE ${doc}/changelog.Debian
"ktrial (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium

  * See changelog.gz.

 -- ${CPACK_PACKAGE_CONTACT}  ${CPACK_KTRIAL_DATE}
")
run(gzip -9n ${doc}/changelog ${doc}/changelog.Debian)

# Whatever the umask of who packs: it is for everybody.
run(chmod -R u=rwX,go=rX ${CPACK_TEMPORARY_DIRECTORY})
