#!/bin/sh
# build.sh OUT [emulated]: compiles the kernels once for every tier into OUT, with their checksums.
# Where that cannot be, says so in one line and leaves OUT empty: the vector provider serves. A compiler
# that does not know AVX-512 or AMX leaves out those tiers alone. With "emulated" only the kernels on tiles are
# compiled, on tiles in plain C, for tests on processors without them.
#
# Environment: CC            the compiler
#              OCTET_CFLAGS  further flags, for instance -O1 -fsanitize=address,undefined
#              OCTET_JOBS    files compiled at a time; all cores without
#              OCTET_NATIVE  require: fail where they cannot be built; never: do not build them
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
case $1 in
  /*) out=$1 ;;
  *) out=$PWD/$1 ;;
esac
variant=${2:-release}

skip() {
  rm -rf "$out"
  if [ "${OCTET_NATIVE:-}" = require ]; then
    echo "[octet] no native kernels: $1" >&2
    exit 1
  fi
  [ "$variant" = emulated ] || echo "[octet] no native kernels: $1; the vector provider serves" >&2
  exit 0
}

[ "${OCTET_NATIVE:-}" != never ] || skip "OCTET_NATIVE=never"
case $(uname -s)-$(uname -m) in
  Linux-x86_64 | Linux-amd64) ;;
  *) skip "they are written for Linux on x86-64, this is $(uname -s) on $(uname -m)" ;;
esac
cc=${CC:-}
if [ -z "$cc" ]; then
  for candidate in cc gcc clang; do
    command -v "$candidate" >/dev/null 2>&1 && cc=$candidate && break
  done
fi
[ -n "$cc" ] || skip "no C compiler was found (gcc or clang; CC names another)"
command -v "$cc" >/dev/null 2>&1 || skip "CC=$cc is no program"

common="-std=c11 -O3 -fPIC -fvisibility=hidden -Wall -Wextra -fno-math-errno -ffp-contract=off"
avx2="-mavx2 -mfma -mf16c -mtune=haswell"
avx512="$avx2 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx512vnni -mavx512vbmi -mavx512bf16 -mprefer-vector-width=512 -mtune=generic"
amx="$avx512 -mamx-tile -mamx-int8 -mamx-bf16 -DOCTET_TILES"
[ "$variant" = release ] || amx="$avx512 -DOCTET_TILES -DOCTET_TILES_EMULATED"
probe=""

# What is compiled: the sources, the flags, the compiler. Unchanged, nothing is to do.
recipe=$("$cc" --version 2>/dev/null | head -n 1; echo "$variant/$common/$avx2/$amx/${OCTET_CFLAGS:-}"; cd "$here" && find . -type f | LC_ALL=C sort | xargs cat | cksum)
if [ -f "$out/recipe" ] && [ "$(cat "$out/recipe")" = "$recipe" ]; then
  exit 0
fi

new=$out.new
rm -rf "$out" "$new"
mkdir -p "$new"
trap 'rm -rf "$new"' EXIT

# Whether the compiler takes FLAGS, and the assembler, too, knows an INSTRUCTION.
knows() {
  echo "void f(void) { __asm__ volatile(\"$2\"); }" |
    "$cc" $1 -x c -c -o "$new/known" - 2>/dev/null && rm "$new/known"
}
knows_avx512() { knows "$avx512" "vdpbf16ps %zmm0, %zmm1, %zmm2"; }
knows_amx() { knows "$amx" "tdpbsud %tmm6, %tmm4, %tmm0"; }
lacks() { echo "[octet] no $1 kernels: $cc does not know them ($2 do); the $3 tier serves" >&2; }

libraries=""
plan() { # LIBRARY FILES…
  library=$1
  shift
  libraries="$libraries $library"
  mkdir "$new/$library"
  for file in "$@"; do echo "$library $file" >>"$new/plan"; done
}

# Attention but for the writing of the cache, and what is on tiles only. The folder's name may hold spaces.
cd "$here"
on_tiles="abi.c attention.c attn_[!a]*.c amx/*.c"
if [ "$variant" = emulated ]; then
  plan amx $on_tiles
else
  if ! knows_avx512; then
    lacks AVX-512 "GCC 10 and Clang 9" AVX2
  else
    plan avx512 *.c
    if knows_amx; then
      plan amx $on_tiles
    else
      lacks AMX "GCC 11 and Clang 12" AVX-512
    fi
  fi
  plan avx2 *.c
  plan probe probe/*.c
fi

# A file at a time, as many at once as there are cores. Unquoted on purpose: lists of flags.
export cc common avx2 avx512 amx probe new
xargs -n 2 -P "${OCTET_JOBS:-$(getconf _NPROCESSORS_ONLN)}" sh -c '
  eval "flags=\$$1"
  "$cc" $common $flags ${OCTET_CFLAGS:-} -I . -c -o "$new/$1/$(basename "$2" .c).o" "$2" || echo "$1" >>"$new/failed"
' compile <"$new/plan"
for library in $libraries; do
  [ -f "$new/failed" ] || "$cc" -shared ${OCTET_CFLAGS:-} -o "$new/$library.so" "$new/$library"/*.o -lm || echo "$library" >>"$new/failed"
  rm -r "${new:?}/$library"
done
[ -f "$new/failed" ] && skip "$cc could not compile $(sort -u "$new/failed" | tr '\n' ' ')"

rm "$new/plan"
(cd "$new" && sha256sum ./*.so >SHA256SUMS)
printf '%s\n' "$recipe" >"$new/recipe"
mv "$new" "$out"
