/**
 * GPTQ checkpoints of AutoGPTQ and GPTQModel: both conventions of zero points read, one written.
 */
@NullMarked
package dev.octet.checkpoint.gptq;

import org.jspecify.annotations.NullMarked;
