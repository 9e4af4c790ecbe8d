/** GPTQ checkpoints of AutoGPTQ and GPTQModel, both conventions of zero points. */
@NullMarked
package dev.octet.checkpoint.gptq;

import org.jspecify.annotations.NullMarked;
