#!/bin/sh
# Builds the CPU kernels with the sanitizers and drives them over random and degenerate input:
# address + undefined behaviour, then data races. Usage: sh benchmarks/sanitize.sh [build folder]
set -eu
cd "$(dirname "$0")/.."
out=${1:-build/sanitize}
cxx=${CXX:-g++}
common="-std=c++20 -g1 -O1 -fno-omit-frame-pointer -fno-math-errno -fno-trapping-math -ffp-contract=off -pthread"
common="$common -Wno-psabi -Wno-maybe-uninitialized -Wno-uninitialized"
isas=generic
[ "$(uname -m)" = x86_64 ] && isas="generic avx2 avx512"

build() { # name, sanitizer flags
    mkdir -p "$out/$1"
    for isa in $isas; do
        case $isa in
            avx2) target=-march=x86-64-v3 ;;
            avx512) target=-march=x86-64-v4 ;;
            *) target= ;;
        esac
        for source in methods/splats/native/*.cpp; do
            case $source in */library.cpp) continue ;; esac
            $cxx $common $2 $target -DRECGEN_NS=recgen_$isa -DRECGEN_ISA=$isa \
                -c "$source" -o "$out/$1/$(basename "$source" .cpp)-$isa.o"
        done
    done
    $cxx $common $2 methods/splats/native/library.cpp tests/methods/splats/sanitize.cpp "$out/$1"/*.o \
        -o "$out/$1/drive"
}

build address "-fsanitize=address,undefined -fno-sanitize-recover=all"
"$out/address/drive"
build thread "-fsanitize=thread"
"$out/thread/drive"
echo "sanitizers: clean"
