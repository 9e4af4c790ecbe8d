/** The format of Ascend's msModelSlim, as MindIE and vllm-ascend read it. */
@NullMarked
package dev.octet.checkpoint.ascend;

import org.jspecify.annotations.NullMarked;
