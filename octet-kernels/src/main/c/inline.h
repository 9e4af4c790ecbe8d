/*
 * Helpers that must vanish into their callers: what they are told by constants is decided when they
 * are compiled. Under a sanitizer a body is compiled once instead and told at run time: with checks
 * at every access dozens of copies keep a compiler busy for many minutes.
 */
#ifndef OCTET_INLINE_H
#define OCTET_INLINE_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1 /* what GCC defines by itself */
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
#define INLINE static inline
#else
#define INLINE static inline __attribute__((always_inline))
#endif

#endif
