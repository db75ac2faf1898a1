package consumer;

import java.io.File;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Runs {@link ReadABook} from three class loaders of one JVM, as an application server with three applications does. A JVM
 * lets only one class loader have a native file, so each of them needs its own.
 */
public final class ThreeClassLoaders {
    private ThreeClassLoaders() {}

    public static void main(String[] arguments) throws Exception {
        List<URL> urls = new ArrayList<>();
        for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
            urls.add(Path.of(entry).toUri().toURL());
        }
        List<URLClassLoader> loaders = new ArrayList<>(); // all open at once
        List<Object> results = new ArrayList<>();
        for (int i = 1; i <= 3; i++) {
            URLClassLoader loader =
                    new URLClassLoader("application-" + i, urls.toArray(new URL[0]), ClassLoader.getPlatformClassLoader());
            loaders.add(loader);
            Class<?> program = loader.loadClass("consumer.ReadABook");
            if (program == ReadABook.class) {
                throw new AssertionError("The class came from the application class loader.");
            }
            results.add(program.getMethod("run").invoke(null));
            System.out.println("class loader " + i + ": " + results.get(i - 1));
        }
        if (results.stream().distinct().count() != 1) {
            throw new AssertionError("The three class loaders disagree: " + results);
        }
        for (URLClassLoader loader : loaders) {
            loader.close();
        }
    }
}
