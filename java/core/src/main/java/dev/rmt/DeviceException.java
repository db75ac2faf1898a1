package dev.rmt;

/** The device or the native library is missing, unsupported, or failed. */
public class DeviceException extends RmtException {
    private static final long serialVersionUID = 1L;

    public DeviceException(String message) {
        super(message);
    }

    public DeviceException(String message, Throwable cause) {
        super(message, cause);
    }
}
