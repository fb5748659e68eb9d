# SPDX-License-Identifier: Apache-2.0 OR MIT
# One target per floor. Public headers live in include/hawser/<floor>/ (or include/hawser/<floor>.hpp), sources in src/<floor>/.
find_package(Threads REQUIRED)

find_program(HAWSER_CCACHE ccache)
if(HAWSER_CCACHE AND PROJECT_IS_TOP_LEVEL AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${HAWSER_CCACHE})
endif()
if(NOT CMAKE_BUILD_TYPE AND PROJECT_IS_TOP_LEVEL)
  set(CMAKE_BUILD_TYPE Release)
endif()

# What every target of ours is compiled with; consumers inherit only the language level.
add_library(hawser_build INTERFACE)
target_compile_features(hawser_build INTERFACE cxx_std_23)
target_compile_options(hawser_build INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wold-style-cast
  $<IF:$<CONFIG:Release>,-O3,-fno-omit-frame-pointer>)
if(HAWSER_SANITIZE)
  # vptr asks the system whether memory can be read, by a pipe: in the tests of descriptor exhaustion it answers wrongly.
  target_compile_options(hawser_build INTERFACE -fsanitize=${HAWSER_SANITIZE} -fno-sanitize=vptr -fno-sanitize-recover=all)
  target_link_options(hawser_build INTERFACE -fsanitize=${HAWSER_SANITIZE})
endif()
if(HAWSER_FUZZ)
  target_compile_options(hawser_build INTERFACE -fsanitize=fuzzer-no-link)
endif()

# What libraries that are installed have in common.
function(hawser_library target)
  get_target_property(type ${target} TYPE)
  target_compile_features(${target} PUBLIC cxx_std_23)
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:hawser_build>)
  set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CXX POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON)
  if(type STREQUAL "SHARED_LIBRARY")
    target_compile_definitions(${target} PUBLIC HAWSER_SHARED)
    target_link_options(${target} PRIVATE LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/exports.map)
    # Before 1.0 a minor version may change the binary interface.
    set_target_properties(${target} PROPERTIES DEFINE_SYMBOL "" LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/exports.map
      VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  endif()
endfunction()

# hawser::hawser is the whole library: the archives of its floors, or libhawser.so (docs/adr/0009-one-shared-library.md).
if(BUILD_SHARED_LIBS)
  add_library(hawser SHARED)
  hawser_library(hawser)
else()
  add_library(hawser INTERFACE)
  target_link_libraries(hawser INTERFACE hawser_peer)
endif()
add_library(hawser::hawser ALIAS hawser)

#   hawser_floor(io LINKS base PRIVATE Threads::Threads PKGCONFIG liburing>=2.3)
# LINKS: the floors it sees. PRIVATE and PKGCONFIG: what only its sources use, as targets and as modules of pkg-config; the installed
# package asks for them again where archives need them. OWN_LIBRARY: stays out of libhawser.so.
function(hawser_floor name)
  cmake_parse_arguments(ARG "NO_EXCEPTIONS;OWN_LIBRARY" "" "LINKS;PRIVATE;PKGCONFIG" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  foreach(module IN LISTS ARG_PKGCONFIG)
    find_package(PkgConfig REQUIRED)
    string(REGEX MATCH "^[^<>=]+" found ${module})
    pkg_check_modules(${found} REQUIRED IMPORTED_TARGET ${module})
    list(APPEND ARG_PRIVATE PkgConfig::${found})
  endforeach()
  if(ARG_NO_EXCEPTIONS)
    set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS "-fno-exceptions;-fno-rtti")
  endif()
  list(TRANSFORM ARG_LINKS PREPEND hawser_)
  if(BUILD_SHARED_LIBS AND NOT ARG_OWN_LIBRARY)
    target_sources(hawser PRIVATE ${sources})
    target_link_libraries(hawser PRIVATE ${ARG_PRIVATE})
    add_library(hawser_${name} INTERFACE)
    target_link_libraries(hawser_${name} INTERFACE hawser)
  else()
    add_library(hawser_${name} ${sources})
    hawser_library(hawser_${name})
    target_link_libraries(hawser_${name} PUBLIC ${ARG_LINKS} PRIVATE ${ARG_PRIVATE})
  endif()
  add_library(hawser::${name} ALIAS hawser_${name})
  set_target_properties(hawser_${name} PROPERTIES EXPORT_NAME ${name} HAWSER_LINKS "${ARG_LINKS}" HAWSER_PKGCONFIG "${ARG_PKGCONFIG}")
  set_property(GLOBAL APPEND PROPERTY HAWSER_FLOORS ${name})
endfunction()

# One test program from every source of a directory; each TEST becomes a ctest entry with the label.
#   hawser_tests(unit_proto LABEL unit LINKS hawser_proto)
# ON_EPOLL_TOO runs each test a second time on epoll: loops choose their engine by themselves, which is io_uring where it is allowed.
# TIMEOUT: seconds (300); NONE: what the caller of ctest says, for tests that run as long as they are asked to.
# READS_TREE names the sources that look into the source tree, by HAWSER_SOURCE_DIR.
function(hawser_tests name)
  cmake_parse_arguments(ARG "ON_EPOLL_TOO" "LABEL;DIRECTORY;TIMEOUT" "LINKS;ENVIRONMENT;READS_TREE" ${ARGN})
  if(NOT ARG_DIRECTORY)
    set(ARG_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  set(timeout TIMEOUT ${ARG_TIMEOUT})
  if(ARG_TIMEOUT STREQUAL "NONE")
    set(timeout)
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${ARG_DIRECTORY}/*.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(test_${name} ${sources})
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(test_${name} PRIVATE ${ARG_LINKS} hawser_build GTest::gtest_main)
  target_compile_definitions(test_${name} PRIVATE HAWSER_COUNT_SCALE=${HAWSER_COUNT_SCALE})
  # Only where it is needed: a path in its command line keeps an object from being found in the cache of another checkout.
  foreach(source IN LISTS ARG_READS_TREE)
    set_property(SOURCE ${ARG_DIRECTORY}/${source} APPEND PROPERTY COMPILE_DEFINITIONS HAWSER_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  endforeach()
  gtest_discover_tests(test_${name} DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS ${ARG_LABEL} ${timeout} ENVIRONMENT "${ARG_ENVIRONMENT}")
  if(ARG_ON_EPOLL_TOO)
    gtest_discover_tests(test_${name} DISCOVERY_TIMEOUT 60 TEST_SUFFIX /epoll TEST_LIST test_${name}_epoll
      PROPERTIES LABELS ${ARG_LABEL} ${timeout} ENVIRONMENT "${ARG_ENVIRONMENT};HAWSER_ENGINE=epoll")
  endif()
endfunction()
