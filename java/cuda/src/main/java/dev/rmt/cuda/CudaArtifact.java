package dev.rmt.cuda;

import dev.rmt.internal.CudaProvider;
import java.net.URL;
import java.nio.file.Path;
import java.util.Optional;

/** What this artifact brings; the library finds it as a service. */
public final class CudaArtifact implements CudaProvider {
    @Override
    public Optional<URL> library(String platform, String file) {
        return Optional.ofNullable(CudaArtifact.class.getResource(platform + "/" + file));
    }

    @Override
    public Optional<Path> cublas() {
        return PresetsProbe.result().cublas();
    }

    @Override
    public String presets() {
        return PresetsProbe.result().text();
    }
}
