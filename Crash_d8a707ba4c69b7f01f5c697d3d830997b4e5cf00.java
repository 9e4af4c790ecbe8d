import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;

public class Crash_d8a707ba4c69b7f01f5c697d3d830997b4e5cf00 {
    static final String base64Bytes = String.join("", "Aqo=");

    public static void main(String[] args) throws Throwable {
        Crash_d8a707ba4c69b7f01f5c697d3d830997b4e5cf00.class.getClassLoader().setDefaultAssertionStatus(true);
        try {
            Method fuzzerInitialize = dev.octet.bench.FuzzTarget.class.getMethod("fuzzerInitialize");
            fuzzerInitialize.invoke(null);
        } catch (NoSuchMethodException ignored) {
            try {
                Method fuzzerInitialize = dev.octet.bench.FuzzTarget.class.getMethod("fuzzerInitialize", String[].class);
                fuzzerInitialize.invoke(null, (Object) args);
            } catch (NoSuchMethodException ignored1) {
            } catch (IllegalAccessException | InvocationTargetException e) {
                e.printStackTrace();
                System.exit(1);
            }
        } catch (IllegalAccessException | InvocationTargetException e) {
            e.printStackTrace();
            System.exit(1);
        }
        byte[] input = java.util.Base64.getDecoder().decode(base64Bytes);
        dev.octet.bench.FuzzTarget.fuzzerTestOneInput(input);
    }
}