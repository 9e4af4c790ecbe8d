package dev.octet.kernels.linear;

import dev.octet.kernels.Linear;
import dev.octet.tensor.RowTable;

/**
 * A layer that does something beside another one's product; its sizes and table are the other's.
 */
interface ForwardingLinear extends Linear {
  /** The other one. */
  Linear linear();

  @Override
  default long inFeatures() {
    return linear().inFeatures();
  }

  @Override
  default long outFeatures() {
    return linear().outFeatures();
  }

  @Override
  default RowTable table() {
    return linear().table();
  }
}
