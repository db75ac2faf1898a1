package dev.rmt.internal;

import dev.rmt.CudaInfo;
import dev.rmt.DeviceException;
import dev.rmt.Precision;
import java.io.IOException;
import java.net.URL;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;

/**
 * Where librmt_cuda comes from, and what it finds. It is looked for in this order: the system property
 * {@value #LIBRARY_PROPERTY}, the environment variable {@value #LIBRARY_ENVIRONMENT}, the artifact {@value #ARTIFACT},
 * the system's folders.
 */
public final class NativeCuda {
    /** Path of librmt_cuda. */
    public static final String LIBRARY_PROPERTY = "rmt.cuda.library";
    /** Path of the cuBLAS that computes matrix products; {@value #OWN_PRODUCTS}: none. */
    public static final String CUBLAS_PROPERTY = "rmt.cuda.cublas";

    private static final String LIBRARY_ENVIRONMENT = "RMT_CUDA_LIBRARY";
    private static final String ARTIFACT = "dev.rmt:rmt-cuda";
    private static final String OWN_PRODUCTS = "own";
    private static final String FILE = "librmt_cuda.so";
    private static final int TEXT_SIZE = 512;

    private NativeCuda() {}

    /**
     * A librmt_cuda that may be there.
     *
     * @param path null: the environment or the system says
     * @param named whether anybody said where it is
     */
    private record Library(String path, String origin, boolean named) {}

    /** What there is. Loads the libraries, but no GPU computes. */
    public static CudaInfo info() {
        Optional<CudaProvider> provider = provider();
        return look(library(provider), provider, provider.map(CudaProvider::presets));
    }

    /** Opens a GPU and returns its handle. */
    static long open(int index, Precision precision) {
        Optional<CudaProvider> provider = provider();
        Library library = library(provider);
        // Before the presets are asked for anything: without a driver they only fail, and once for the whole JVM.
        look(library, provider, Optional.empty()).problem().ifPresent(problem -> {
            throw new DeviceException(problem);
        });
        long[] device = new long[1];
        byte[] error = new byte[NativeErrors.TEXT_SIZE];
        int status = Rmt.deviceCreateCuda(
                index,
                precision.ordinal(),
                NativeErrors.bytes(library.path()),
                NativeErrors.bytes(cublas(provider)),
                device,
                error,
                error.length);
        NativeErrors.check(status, error);
        return device[0];
    }

    private static CudaInfo look(Library library, Optional<CudaProvider> provider, Optional<String> presets) {
        NativeLibrary.load();
        byte[] path = new byte[TEXT_SIZE];
        byte[] problem = new byte[TEXT_SIZE];
        long[] numbers = new long[3];
        byte[] error = new byte[NativeErrors.TEXT_SIZE];
        NativeErrors.check(
                Rmt.cudaInfo(NativeErrors.bytes(library.path()), path, problem, numbers, error, error.length), error);
        String reason = NativeErrors.string(problem);
        return new CudaInfo(
                NativeErrors.string(path),
                library.origin(),
                version(numbers[2]),
                version(numbers[1]),
                Math.toIntExact(numbers[0]),
                reason.isEmpty() ? Optional.empty() : Optional.of(explain(library, reason, numbers[2] != 0, provider)),
                presets);
    }

    /** Where nobody named a library and the system has none, what is missing is the artifact. */
    private static String explain(Library library, String reason, boolean loaded, Optional<CudaProvider> provider) {
        if (library.named() || loaded) {
            return NativeErrors.sentence(reason);
        }
        return provider.isPresent()
                ? "CUDA cannot be used: the artifact " + ARTIFACT
                        + " was built without it; build rmt with -Drmt.cuda=ON."
                : "CUDA cannot be used: this program has no " + FILE + "; add the artifact " + ARTIFACT
                        + ", or build rmt with -Drmt.cuda=ON.";
    }

    private static Library library(Optional<CudaProvider> provider) {
        String property = System.getProperty(LIBRARY_PROPERTY);
        if (property != null) {
            return new Library(property, "the system property " + LIBRARY_PROPERTY, true);
        }
        String environment = System.getenv(LIBRARY_ENVIRONMENT);
        if (environment != null && !environment.isEmpty()) {
            return new Library(null, "the environment variable " + LIBRARY_ENVIRONMENT, true);
        }
        return provider.flatMap(it -> it.library(NativePlatform.current().name(), FILE))
                .map(url -> new Library(extracted(url), "the artifact " + ARTIFACT, true))
                .orElse(new Library(null, "the system", false));
    }

    private static String extracted(URL url) {
        try {
            return NativeCache.current().file(FILE, url::openStream).toString();
        } catch (IOException e) {
            throw new DeviceException("CUDA cannot be used: " + url + " cannot be read (" + e.getMessage() + ").", e);
        }
    }

    /** The path of cuBLAS, "" for own products, null where the system is left to find one. */
    private static String cublas(Optional<CudaProvider> provider) {
        String property = System.getProperty(CUBLAS_PROPERTY);
        if (property != null) {
            return property.equals(OWN_PRODUCTS) ? "" : property;
        }
        return provider.flatMap(CudaProvider::cublas).map(Object::toString).orElse(null);
    }

    private static Optional<CudaProvider> provider() {
        try {
            return ServiceLoader.load(CudaProvider.class, NativeCuda.class.getClassLoader())
                    .findFirst();
        } catch (ServiceConfigurationError e) {
            throw new DeviceException(
                    "CUDA cannot be used: the artifact " + ARTIFACT + " does not load (" + e.getMessage() + ").", e);
        }
    }

    /** 13020 is "13.2". */
    private static Optional<String> version(long number) {
        return number == 0 ? Optional.empty() : Optional.of(number / 1000 + "." + number % 1000 / 10);
    }
}
