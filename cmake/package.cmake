# `cmake --install`, and the Debian packages of `cpack --preset deb`: ktrial, with what the guest
# needs, and ktrial-dbgsym. docs/releasing.md says how a release is made of them.
#
# Who packs it says so with DEBFULLNAME and DEBEMAIL, as Debian's tools have it.

# Neither waits for the tests to be built.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME program)
# An installed program is stripped; cpack, which installs one component, cuts the debug data off itself.
install(CODE "if(NOT CMAKE_INSTALL_COMPONENT)\n  set(CMAKE_INSTALL_DO_STRIP ON)\nendif()" COMPONENT everything)

set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL program)
set(CPACK_PACKAGE_NAME ktrial)
set(CPACK_PACKAGE_VERSION ${KTRIAL_VERSION})
if(DEFINED ENV{DEBEMAIL})
  set(CPACK_PACKAGE_CONTACT "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
else()
  set(CPACK_PACKAGE_CONTACT "the ktrial maintainers <ktrial@localhost>")
endif()
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "puts a Linux kernel on trial in a virtual machine")
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION
"It boots a kernel in a QEMU virtual machine with several CPUs, runs a
workload that stresses it, watches console and heartbeats, and gives a
verdict: pass, fail (the kernel's fault) or inconclusive. A hang that prints
nothing is read out of the guest's memory. It bisects flaky failures over
commits or packaged kernels, and makes an experiment of a report from a
mailing list.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES OFF)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/debian_files.cmake)
set(CPACK_KTRIAL_STRIP ${CMAKE_STRIP})
ktrial_date(CPACK_KTRIAL_DATE)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME ktrial)
set(CPACK_DEBIAN_PROGRAM_DEBUGINFO_PACKAGE ON)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "qemu-system-x86, ca-certificates")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "bash-completion, busybox-static, gcc, git, libvirt-daemon-driver-qemu, make, mmdebstrap, squashfs-tools, vhost-device-vsock, virtiofsd")
# One release is built on each of Debian's: the libraries have other names there.
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
if(EXISTS /etc/os-release)
  file(STRINGS /etc/os-release release REGEX "^VERSION_ID=")
  string(REGEX REPLACE "[^0-9.]" "" release "${release}")
  if(release)
    string(APPEND CPACK_DEBIAN_PACKAGE_RELEASE "+deb${release}")
  endif()
endif()

set(doc ${CMAKE_INSTALL_DATADIR}/doc/ktrial)
install(FILES LICENSE DESTINATION ${doc} RENAME copyright)
install(FILES CHANGELOG.md README.md DESTINATION ${doc})
install(DIRECTORY docs/ DESTINATION ${doc}/docs)
include(CPack)
