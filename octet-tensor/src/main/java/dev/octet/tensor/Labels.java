package dev.octet.tensor;

/** How scale grids are named in tables. */
final class Labels {
  private Labels() {}

  static String of(ScaleGrid grid) {
    String where =
        switch (grid.granularity()) {
          case TENSOR -> "tensor";
          case CHANNEL -> "channel";
          case GROUP -> "g" + grid.columnBlock();
          case BLOCK -> grid.rowBlock() + "x" + grid.columnBlock();
        };
    return grid.symmetric() ? where : where + " asym";
  }
}
