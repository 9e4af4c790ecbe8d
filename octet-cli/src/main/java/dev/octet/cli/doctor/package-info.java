/** What {@code octet doctor} looks at: the JDK, the machine, and the parts that come with Octet. */
@NullMarked
package dev.octet.cli.doctor;

import org.jspecify.annotations.NullMarked;
