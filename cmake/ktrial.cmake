# The few functions that every folder's CMakeLists.txt uses.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(GTest REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(pugixml REQUIRED)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)

# What g++ only suspects after inlining is told, but is no error: g++ 12 takes the destructor of
# a std::string for a delete of something unallocated. Nor is a precompiled header that it cannot
# take, as another library's flags say something else.
if(CMAKE_COMPILE_WARNING_AS_ERROR AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-Wno-error=array-bounds -Wno-error=free-nonheap-object -Wno-error=invalid-pch
    -Wno-error=maybe-uninitialized -Wno-error=restrict -Wno-error=stringop-overflow
    -Wno-error=stringop-overread)
endif()

# Files that are compiled as one where CMAKE_UNITY_BUILD is on.
set(CMAKE_UNITY_BUILD_BATCH_SIZE 8)

# Flags of the harness. The guest's static binaries do not take them: a
# sanitizer run checks the harness, never the code that runs as PID 1.
add_library(ktrial_flags INTERFACE)
target_compile_options(ktrial_flags INTERFACE -pthread -Wall -Wextra -Wshadow -Wnon-virtual-dtor
  -Wno-missing-field-initializers)  # designated initialisers leave defaults out on purpose
target_include_directories(ktrial_flags INTERFACE ${PROJECT_SOURCE_DIR})
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # It takes each file that is included for a header.
  target_compile_options(ktrial_flags INTERFACE -Wno-subobject-linkage)
endif()
if(KTRIAL_FUZZ)
  target_compile_options(ktrial_flags INTERFACE -gline-tables-only)  # enough for a finding
endif()
if(KTRIAL_SANITIZE)
  target_compile_options(ktrial_flags INTERFACE -fsanitize=${KTRIAL_SANITIZE}
    -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(ktrial_flags INTERFACE -fsanitize=${KTRIAL_SANITIZE})
  target_compile_definitions(ktrial_flags INTERFACE KTRIAL_SANITIZED=1)
endif()

# ktrial_library(NAME [SMALL] SOURCES... [DEPS targets...]): one folder's static library. SMALL: no
# time is spent in it, and most of its code comes from templates that all its files use. Optimised
# for size, and compiled as one, it takes three fifths of the time.
function(ktrial_library name)
  cmake_parse_arguments(arg "SMALL" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC ktrial_flags ${arg_DEPS})
  if(arg_SMALL)
    if(NOT KTRIAL_SANITIZE)
      target_compile_options(${name} PRIVATE $<$<CONFIG:RelWithDebInfo>:-Os>)
    endif()
    set_target_properties(${name} PROPERTIES UNITY_BUILD_BATCH_SIZE 20)
  endif()
  if(KTRIAL_FUZZ)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
endfunction()

# ktrial_guest_program(NAME SOURCES...): static, and without the harness's libraries and flags: a
# sanitizer run checks the harness.
function(ktrial_guest_program name)
  add_executable(${name} ${ARGN})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wshadow -O2 -g0 -fno-pie
    -ffunction-sections -fdata-sections)
  if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${name} PRIVATE -Wno-subobject-linkage)
  endif()
  target_link_options(${name} PRIVATE -static -s -Wl,--gc-sections)
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/share/ktrial/guest)
  add_dependencies(program ${name})
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_DATADIR}/ktrial/guest)
endfunction()

# Where tests find the source tree and the build. In a header, not among the flags: a
# compiler cache then serves any checkout with all files that do not include it.
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/test_paths.h CONTENT
"#pragma once
#define KTRIAL_SOURCE_DIR \"${PROJECT_SOURCE_DIR}\"
#define KTRIAL_BINARY_DIR \"${PROJECT_BINARY_DIR}\"
")

# ktrial_test(NAME SOURCES... [DEPS ...] [LABELS unit] [TIMEOUT s] [HOSTILE] [ALONE filter]
# [SINGLY filter] [IDLE filter] [DRILL filter] [DRIFT filter]):
# one GoogleTest binary; ctest sees each of its tests. Those that boot a VM run beside each other,
# and wait twice as long for everything; no two of SINGLY do. Of five places (the presets' jobs) such
# a test takes two; those of IDLE wait more than they compute, and take the one that two others leave
# over, one after another, from the beginning on. Those of ALONE judge by time, and get
# the machine for themselves, as those of DRILL and DRIFT do, which have that label. HOSTILE: it
# tests what reads a guest's bytes; CI builds and runs it under the fuzz preset's sanitizers (target
# `hostile_tests`), and the others as users build them.
#
# The code under test is optimised and knows its lines; the tests compile twice as fast without, and
# with the headers that most include parsed once. That is done where files are compiled as one, which
# hides as well what a file forgot to include: other builds find that.
add_custom_target(hostile_tests)
add_custom_target(other_tests)
set(test_options -O0)
if(NOT KTRIAL_FUZZ)
  list(APPEND test_options -g0)
endif()
if(CMAKE_UNITY_BUILD)
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/test_headers.cc CONTENT "// test_headers\n")
  add_library(test_headers OBJECT ${PROJECT_BINARY_DIR}/generated/test_headers.cc)
  target_link_libraries(test_headers PRIVATE ktrial_flags fmt::fmt GTest::gmock)
  target_compile_options(test_headers PRIVATE "$<$<CONFIG:RelWithDebInfo>:${test_options}>")
  target_precompile_headers(test_headers PRIVATE <gmock/gmock.h> <gtest/gtest.h> <fmt/format.h>
    <nlohmann/json.hpp> <filesystem> <fstream> <map> <random> <set> <sstream>)
endif()
function(ktrial_test name)
  cmake_parse_arguments(arg "HOSTILE" "TIMEOUT;ALONE;SINGLY;IDLE;DRILL;DRIFT" "SOURCES;DEPS;LABELS;PROPERTIES" ${ARGN})
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(KTRIAL_SANITIZE)
    math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 10")  # unoptimised and watched: some compute for minutes
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ktrial_flags ${arg_DEPS} fmt::fmt GTest::gmock GTest::gtest_main)
  target_compile_options(${name} PRIVATE "$<$<CONFIG:RelWithDebInfo>:${test_options}>")
  if(TARGET test_headers)
    target_precompile_headers(${name} REUSE_FROM test_headers)
  endif()
  target_include_directories(${name} PRIVATE ${PROJECT_BINARY_DIR}/generated)
  if(arg_HOSTILE)
    add_dependencies(hostile_tests ${name})
    if(KTRIAL_FUZZ)  # all of them in one process: a sanitizer's own start costs more than most
      add_test(NAME hostile.${name} COMMAND ${name} --gtest_brief=1)
      set_tests_properties(hostile.${name} PROPERTIES LABELS hostile TIMEOUT ${arg_TIMEOUT})
      return()
    endif()
  else()
    add_dependencies(other_tests ${name})
  endif()
  set(discover NO_PRETTY_VALUES DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${arg_TIMEOUT} ${arg_PROPERTIES})
  if(arg_LABELS MATCHES "e2e|drill")
    list(APPEND discover FIXTURES_REQUIRED templates)  # removed at the end: harness/e2e
  endif()
  foreach(kind ALONE DRILL DRIFT)
    set(label ${arg_LABELS})
    if(NOT kind STREQUAL ALONE)
      string(TOLOWER ${kind} label)
    endif()
    if(arg_${kind})
      gtest_discover_tests(${name} TEST_FILTER "${arg_${kind}}" TEST_LIST ${name}_${kind}
        ${discover} LABELS ${label} RUN_SERIAL TRUE)
    endif()
  endforeach()
  if(arg_LABELS STREQUAL drill)
    list(APPEND discover RUN_SERIAL TRUE)
  elseif(arg_LABELS STREQUAL e2e)
    list(APPEND discover ENVIRONMENT_MODIFICATION KTRIAL_TIMEOUT_SCALE=set:2)
  endif()
  if(arg_IDLE)
    gtest_discover_tests(${name} TEST_FILTER "${arg_IDLE}" TEST_LIST ${name}_IDLE ${discover}
      LABELS "${arg_LABELS}" RESOURCE_LOCK ${name}_idle PROCESSORS 1 COST 1000)
  endif()
  if(arg_LABELS STREQUAL e2e)
    list(APPEND discover PROCESSORS 2)
  endif()
  if(arg_SINGLY)
    gtest_discover_tests(${name} TEST_FILTER "${arg_SINGLY}" TEST_LIST ${name}_SINGLY ${discover}
      LABELS "${arg_LABELS}" RESOURCE_LOCK ${name})
  endif()
  set(special ${arg_ALONE} ${arg_SINGLY} ${arg_IDLE} ${arg_DRILL} ${arg_DRIFT})
  list(JOIN special ":" special)
  gtest_discover_tests(${name} TEST_FILTER "*-${special}" ${discover} LABELS "${arg_LABELS}")
endfunction()
include(GoogleTest)

# ktrial_fuzz(NAME SOURCES... DEPS... [CORPUS dir] [RUNS n]): a libFuzzer target,
# built by the fuzz preset (all of them: target `fuzzers`), with a test that replays
# the corpus and then runs briefly. Its seed is fixed: what it finds, it finds each
# time. The program itself, run by hand, takes a new one.
add_custom_target(fuzzers)
function(ktrial_fuzz name)
  cmake_parse_arguments(arg "" "CORPUS;RUNS" "SOURCES;DEPS" ${ARGN})
  if(NOT arg_RUNS)
    set(arg_RUNS 20000)
  endif()
  if(NOT KTRIAL_FUZZ)
    return()
  endif()
  add_executable(${name} EXCLUDE_FROM_ALL ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ktrial_flags ${arg_DEPS})
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzzers ${name})
  set(scratch ${CMAKE_CURRENT_BINARY_DIR}/${name}-corpus)
  file(MAKE_DIRECTORY ${scratch})
  add_test(NAME fuzz.${name} COMMAND ${name} -runs=${arg_RUNS} -seed=1 -max_total_time=3
    -rss_limit_mb=2048 ${scratch} ${arg_CORPUS})
  set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz-smoke TIMEOUT 120)
endfunction()
