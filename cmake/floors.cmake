# SPDX-License-Identifier: Apache-2.0 OR MIT
# One target per floor. Public headers live in include/hawser/<floor>/ (or include/hawser/<floor>.hpp), sources in src/<floor>/.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(liburing REQUIRED IMPORTED_TARGET liburing>=2.3)

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
  -fno-omit-frame-pointer $<$<CONFIG:Release>:-O2>)
if(HAWSER_SANITIZE)
  # vptr asks the system whether memory can be read, by a pipe: in the tests of descriptor exhaustion it answers wrongly.
  target_compile_options(hawser_build INTERFACE -fsanitize=${HAWSER_SANITIZE} -fno-sanitize=vptr -fno-sanitize-recover=all)
  target_link_options(hawser_build INTERFACE -fsanitize=${HAWSER_SANITIZE})
endif()
if(HAWSER_FUZZ)
  target_compile_options(hawser_build INTERFACE -fsanitize=fuzzer-no-link)
endif()

function(hawser_floor name)
  cmake_parse_arguments(ARG "NO_EXCEPTIONS" "" "LINKS;PRIVATE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  add_library(hawser_${name} STATIC ${sources})
  add_library(hawser::${name} ALIAS hawser_${name})
  set_target_properties(hawser_${name} PROPERTIES LINKER_LANGUAGE CXX POSITION_INDEPENDENT_CODE ON)
  target_compile_features(hawser_${name} PUBLIC cxx_std_23)
  target_include_directories(hawser_${name}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    PRIVATE ${PROJECT_SOURCE_DIR}/src)
  list(TRANSFORM ARG_LINKS PREPEND hawser_)
  target_link_libraries(hawser_${name} PUBLIC ${ARG_LINKS} PRIVATE $<BUILD_INTERFACE:hawser_build> ${ARG_PRIVATE})
  if(ARG_NO_EXCEPTIONS)
    target_compile_options(hawser_${name} PRIVATE -fno-exceptions -fno-rtti)
  endif()
endfunction()

# One test program from every source of a directory; each TEST becomes a ctest entry with the label.
#   hawser_tests(unit_proto LABEL unit LINKS hawser_proto)
# READS_TREE names the sources that look into the source tree, by HAWSER_SOURCE_DIR.
function(hawser_tests name)
  cmake_parse_arguments(ARG "" "LABEL;DIRECTORY;TIMEOUT" "LINKS;ENVIRONMENT;READS_TREE" ${ARGN})
  if(NOT ARG_DIRECTORY)
    set(ARG_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
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
    PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT} ENVIRONMENT "${ARG_ENVIRONMENT}")
endfunction()
