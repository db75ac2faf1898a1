package dev.rmt.benchmarks.peers;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Writes an ONNX model: just the handful of messages of onnx.proto3 that an encoder needs, in protobuf's wire format, so
 * that the peer's graph is made here from the same weights and no Python is needed.
 */
final class OnnxGraph {
    private static final int FLOAT = 1;
    private static final int INT64 = 7;
    private static final int OPSET = 17;
    private static final int IR_VERSION = 8;

    private final List<byte[]> nodes = new ArrayList<>();
    private final List<byte[]> initializers = new ArrayList<>();
    private final List<byte[]> inputs = new ArrayList<>();
    private final List<byte[]> outputs = new ArrayList<>();

    /** A float attribute, an int attribute or a text attribute of a node. */
    record Attribute(String name, Object value) {}

    void input(String name, long... dims) {
        inputs.add(valueInfo(name, FLOAT, dims));
    }

    /** An input of 64-bit integers. */
    void inputIds(String name, long... dims) {
        inputs.add(valueInfo(name, INT64, dims));
    }

    void output(String name, long... dims) {
        outputs.add(valueInfo(name, FLOAT, dims));
    }

    /** A constant tensor. @return its name */
    String constant(String name, float[] values, long... dims) {
        Message tensor = new Message();
        for (long dim : dims) {
            tensor.varint(1, dim);
        }
        tensor.varint(2, FLOAT);
        tensor.text(8, name);
        ByteBuffer raw = ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        raw.asFloatBuffer().put(values);
        tensor.bytes(9, raw.array());
        initializers.add(tensor.toByteArray());
        return name;
    }

    /** A node with one output. @param domain "" for the standard operators @return the output's name */
    String node(String domain, String type, String output, List<String> in, Attribute... attributes) {
        Message node = new Message();
        in.forEach(name -> node.text(1, name));
        node.text(2, output);
        node.text(3, output);
        node.text(4, type);
        for (Attribute attribute : attributes) {
            node.bytes(5, attribute(attribute));
        }
        node.text(7, domain);
        nodes.add(node.toByteArray());
        return output;
    }

    byte[] toByteArray() {
        Message graph = new Message();
        nodes.forEach(n -> graph.bytes(1, n));
        graph.text(2, "encoder");
        initializers.forEach(t -> graph.bytes(5, t));
        inputs.forEach(i -> graph.bytes(11, i));
        outputs.forEach(o -> graph.bytes(12, o));
        Message model = new Message();
        model.varint(1, IR_VERSION);
        model.text(2, "rmt");
        model.bytes(7, graph.toByteArray());
        model.bytes(8, new Message().text(1, "").varint(2, OPSET).toByteArray());
        model.bytes(8, new Message().text(1, "com.microsoft").varint(2, 1).toByteArray());
        return model.toByteArray();
    }

    private static byte[] attribute(Attribute attribute) {
        Message message = new Message().text(1, attribute.name());
        if (attribute.value() instanceof Float f) {
            return message.fixed32(2, Float.floatToRawIntBits(f)).varint(20, 1).toByteArray();
        }
        return message.varint(3, ((Number) attribute.value()).longValue())
                .varint(20, 2)
                .toByteArray();
    }

    private static byte[] valueInfo(String name, int elementType, long... dims) {
        Message shape = new Message();
        for (long dim : dims) {
            shape.bytes(1, new Message().varint(1, dim).toByteArray());
        }
        Message tensor = new Message().varint(1, elementType).bytes(2, shape.toByteArray());
        Message type = new Message().bytes(1, tensor.toByteArray());
        return new Message().text(1, name).bytes(2, type.toByteArray()).toByteArray();
    }

    /** One protobuf message under construction. */
    private static final class Message {
        private final ByteArrayOutputStream out = new ByteArrayOutputStream();

        Message varint(int field, long value) {
            raw((long) field << 3);
            raw(value);
            return this;
        }

        Message fixed32(int field, int bits) {
            raw((long) field << 3 | 5);
            for (int shift = 0; shift < 32; shift += 8) {
                out.write(bits >>> shift);
            }
            return this;
        }

        Message bytes(int field, byte[] value) {
            raw((long) field << 3 | 2);
            raw(value.length);
            out.writeBytes(value);
            return this;
        }

        Message text(int field, String value) {
            return bytes(field, value.getBytes(StandardCharsets.UTF_8));
        }

        byte[] toByteArray() {
            return out.toByteArray();
        }

        private void raw(long value) {
            long rest = value;
            while ((rest & ~0x7FL) != 0) {
                out.write((int) (rest & 0x7F | 0x80));
                rest >>>= 7;
            }
            out.write((int) rest);
        }
    }
}
