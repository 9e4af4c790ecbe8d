#!/bin/sh
# build.sh OUT: compiles the kernels once for every tier into OUT, with their checksums.
# Where that cannot be, says so in one line and leaves OUT empty: the vector provider serves.
#
# Environment: CC            the compiler
#              OCTET_CFLAGS  further flags, for instance -fsanitize=address,undefined
#              OCTET_NATIVE  require: fail where they cannot be built; never: do not build them
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
out=$1

skip() {
  rm -rf "$out"
  if [ "${OCTET_NATIVE:-}" = require ]; then
    echo "[octet] no native kernels: $1" >&2
    exit 1
  fi
  echo "[octet] no native kernels: $1; the vector provider serves" >&2
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

common="-std=c11 -O3 -fPIC -shared -fvisibility=hidden -Wall -Wextra -fno-math-errno -ffp-contract=off"
avx2="-mavx2 -mfma -mf16c -mtune=haswell"
avx512="$avx2 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx512vnni -mavx512vbmi -mavx512bf16 -mprefer-vector-width=512 -mtune=generic"

# What is compiled: the sources, the flags, the compiler. Unchanged, nothing is to do.
recipe=$("$cc" --version 2>/dev/null | head -n 1; echo "$common/$avx2/$avx512/${OCTET_CFLAGS:-}"; cd "$here" && find . -type f | LC_ALL=C sort | xargs cat | cksum)
if [ -f "$out/recipe" ] && [ "$(cat "$out/recipe")" = "$recipe" ]; then
  exit 0
fi

rm -rf "$out" "$out.new"
mkdir -p "$out.new"
trap 'rm -rf "$out.new"' EXIT

compile() { # NAME FLAGS FILES…
  name=$1
  flags=$2
  shift 2
  # Unquoted on purpose: lists of flags.
  "$cc" $common $flags ${OCTET_CFLAGS:-} -I "$here" -o "$out.new/$name.so" "$@" -lm || {
    echo "$name" >>"$out.new/failed"
  }
}

compile probe "-O2" "$here"/probe/*.c &
compile avx2 "$avx2" "$here"/*.c &
compile avx512 "$avx512" "$here"/*.c &
wait
[ -f "$out.new/failed" ] && skip "$cc could not compile $(tr '\n' ' ' <"$out.new/failed")"

(cd "$out.new" && sha256sum ./*.so >SHA256SUMS)
printf '%s\n' "$recipe" >"$out.new/recipe"
mv "$out.new" "$out"
