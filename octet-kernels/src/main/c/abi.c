#include "octet.h"

int32_t octet_abi(void) { return OCTET_ABI; }
