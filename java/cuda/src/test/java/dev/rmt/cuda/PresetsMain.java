package dev.rmt.cuda;

/** Asks the presets twice, as a program of its own: whatever they load or fail to load stays so for a whole JVM. */
final class PresetsMain {
    private PresetsMain() {}

    public static void main(String[] arguments) {
        for (int i = 0; i < 2; i++) {
            CudaArtifact artifact = new CudaArtifact();
            System.out.println(artifact.presets());
            System.out.println(artifact.cublas().map(Object::toString).orElse("none"));
        }
    }
}
