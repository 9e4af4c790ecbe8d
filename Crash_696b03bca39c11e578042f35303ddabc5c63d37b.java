import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;

public class Crash_696b03bca39c11e578042f35303ddabc5c63d37b {
    static final String base64Bytes = String.join("", "c2NoZW1lOiB3OGE4Cmlnbm9yZTogW2xtX2hlYWQsICIqLmRvd25fcHJvaiJdCnN0ZXBzOgogIC0gc21vb3RocXVhbnQ6IHthbHBoYTogYXV0b30KICAtIGdwdHE6IHtkYW1waW5nOiAwLjAxfQogIC0gc3RhdGljLWlucHV0czoge29ic2VydmVyOiBwZXJjZW50aWxlOjk5Ljk5fQogIC0gZmFxdWFudApsYXllcnM6CiAgLSB0YXJnZXRzOiBbIm1vZGVsLmxheWVycy4wLioiXQogICAgc2NoZW1lOiB3OGExNgpjYWxpYnJhdGlvbjoge3RleHQ6IGJvb2sudHh0LCBzYW1wbGVzOiAxMjgsIGxlbmd0aDogNTEyLCBzZWVkOiAwfQpmb3JtYXQ6IGFzY2VuZAo=");

    public static void main(String[] args) throws Throwable {
        Crash_696b03bca39c11e578042f35303ddabc5c63d37b.class.getClassLoader().setDefaultAssertionStatus(true);
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