/** Recipes as YAML files: read strictly, with line numbers in every error, and written. */
@NullMarked
package dev.octet.quantize.recipe;

import org.jspecify.annotations.NullMarked;
