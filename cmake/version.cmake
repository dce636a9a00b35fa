# ktrial_version(VARIABLE): that of `git describe`, as Debian orders versions: 0.1.0 at the tag v0.1.0,
# 0.1.0+12.gc0ffee1 after it, 0.2.0~345.gc0ffee1 before the first tag; project()'s without git. As it
# was when CMake ran last; the program alone has it, so that tests are not linked anew with each commit.
function(ktrial_version variable)
  set(${variable} ${PROJECT_VERSION} PARENT_SCOPE)
  find_package(Git QUIET)
  if(NOT GIT_FOUND OR NOT EXISTS ${PROJECT_SOURCE_DIR}/.git)
    return()
  endif()
  set(git ${GIT_EXECUTABLE} -C ${PROJECT_SOURCE_DIR})
  execute_process(COMMAND ${git} describe --tags --match "v[0-9]*" --abbrev=7
    OUTPUT_VARIABLE tag RESULT_VARIABLE no_tag OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  execute_process(COMMAND ${git} rev-parse --short=7 HEAD
    OUTPUT_VARIABLE commit RESULT_VARIABLE no_commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT no_tag)
    string(REGEX REPLACE "^v(.*)-([0-9]+)-(g[0-9a-f]+)$" "\\1+\\2.\\3" tag "${tag}")
    string(REGEX REPLACE "^v" "" tag "${tag}")
    set(${variable} ${tag} PARENT_SCOPE)
  elseif(NOT no_commit)
    execute_process(COMMAND ${git} rev-list --count HEAD
      OUTPUT_VARIABLE count OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    set(${variable} ${PROJECT_VERSION}~${count}.g${commit} PARENT_SCOPE)
  endif()
endfunction()

# ktrial_date(VARIABLE): when the commit was made, as a Debian changelog has it; now without git.
function(ktrial_date variable)
  find_package(Git QUIET)
  if(GIT_FOUND AND EXISTS ${PROJECT_SOURCE_DIR}/.git)
    execute_process(COMMAND ${GIT_EXECUTABLE} -C ${PROJECT_SOURCE_DIR} log -1 --format=%cD
      OUTPUT_VARIABLE date OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  if(NOT date)
    string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
  endif()
  set(${variable} "${date}" PARENT_SCOPE)
endfunction()
