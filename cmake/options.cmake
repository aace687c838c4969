# Compile and link options shared by every target.
# -ffp-contract=off: a multiplication and an addition are fused only where the source says fma, so that
# every compiler and ISA computes the same bits.
add_library(sutra_options INTERFACE)
target_compile_definitions(sutra_options INTERFACE _GNU_SOURCE)
target_compile_options(sutra_options INTERFACE
  -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wwrite-strings
  -Wundef -ffp-contract=off -fno-math-errno)
if(SUTRA_WERROR)
  target_compile_options(sutra_options INTERFACE -Werror)
endif()
if(SUTRA_SANITIZE)
  target_compile_options(sutra_options INTERFACE -fsanitize=${SUTRA_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(sutra_options INTERFACE -fsanitize=${SUTRA_SANITIZE})
endif()
if(SUTRA_SANITIZE MATCHES "address")
  target_compile_definitions(sutra_options INTERFACE SU_CHECKED_ARRAYS) # kernels/unroll.h
endif()
if(SUTRA_COVERAGE)
  target_compile_options(sutra_options INTERFACE --coverage)
  target_link_options(sutra_options INTERFACE --coverage)
endif()
