package dev.rmt.cli;

import dev.rmt.train.RmtTrainer;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Stream;

/**
 * The folder of a training run, taken by one process at a time. A run that was killed may have left a lock file and pieces of a
 * checkpoint that it was writing: they count for nothing.
 */
final class RunFolder implements AutoCloseable {
    private static final String LOCK = ".lock";
    private static final String LEFTOVER = "\\.(" + RmtTrainer.CHECKPOINT + "|" + RmtTrainer.BEST + "|"
            + RmtTrainer.MODEL + "|" + RmtTrainer.STAGE + "[0-9]+)-[0-9a-f]+\\.tmp";

    private final FileChannel channel;
    private final FileLock lock;

    private RunFolder(FileChannel channel, FileLock lock) {
        this.channel = channel;
        this.lock = lock;
    }

    /**
     * Takes a folder, made if it is not there.
     *
     * @param resume whether there must be a checkpoint in it; if not, it must be empty
     * @throws UnusableFileException if the folder is not as it must be, or another process trains in it
     */
    static RunFolder take(Path folder, boolean resume) {
        if (Files.exists(folder) && !Files.isDirectory(folder)) {
            throw new UnusableFileException("--out " + folder + ": a file stands there; give the name of a folder.");
        }
        if (resume && !Files.isDirectory(folder)) {
            throw new UnusableFileException("--out " + folder
                    + ": there is no such folder, so there is nothing to --resume; leave that out to start.");
        }
        try {
            Files.createDirectories(folder);
            check(folder, resume); // before anything is made in a folder that is not ours
            FileChannel channel =
                    FileChannel.open(folder.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            try {
                FileLock lock = tryLock(folder, channel);
                return new RunFolder(channel, lock);
            } catch (IOException | RuntimeException e) {
                channel.close();
                throw e;
            }
        } catch (FileAlreadyExistsException e) {
            throw new UnusableFileException("--out " + folder + ": " + e.getFile() + " is not a folder.", e);
        } catch (IOException e) {
            throw new UnusableFileException("--out " + folder + ": no file can be made there (" + reason(e) + ").", e);
        }
    }

    private static String reason(IOException e) {
        if (e instanceof AccessDeniedException) {
            return "this user may not";
        }
        String reason = e instanceof FileSystemException file ? file.getReason() : e.getMessage();
        return reason == null ? e.toString() : reason;
    }

    private static FileLock tryLock(Path folder, FileChannel channel) throws IOException {
        FileLock lock;
        try {
            lock = channel.tryLock();
        } catch (OverlappingFileLockException e) {
            lock = null;
        }
        if (lock == null) {
            throw new UnusableFileException(
                    "--out " + folder + ": another process is training in this folder; give another one, or wait.");
        }
        return lock;
    }

    private static void check(Path folder, boolean resume) throws IOException {
        List<String> content = content(folder);
        boolean checkpoint = content.stream().anyMatch(name -> name.startsWith(RmtTrainer.CHECKPOINT));
        if (resume && !checkpoint) {
            throw new UnusableFileException("--out " + folder
                    + ": there is no checkpoint in it, so there is nothing to --resume; leave that out to start.");
        }
        if (!resume && !content.isEmpty()) {
            throw new UnusableFileException("--out " + folder + ": the folder is not empty; "
                    + (checkpoint ? "--resume goes on with the run in it, or give" : "give") + " a new one.");
        }
    }

    private static List<String> content(Path folder) throws IOException {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.map(entry -> entry.getFileName().toString())
                    .filter(name -> !name.equals(LOCK) && !name.matches(LEFTOVER))
                    .toList();
        }
    }

    /** Leaves the lock file: were it deleted, two processes could each lock a file of that name. */
    @Override
    public void close() {
        try (channel) {
            lock.release();
        } catch (IOException e) {
            // The lock ends with the process at the latest.
        }
    }
}
