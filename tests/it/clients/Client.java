// Java's HttpClient: java Client.java URL COUNT (what is asked: see ../clients.rs)

import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

public class Client {
    static final int[] SIZES = {0, 1, 1000, 16384, 102400};
    static final List<String> KINDS = List.of(
            "GET", "HEAD", "POST", "POST", "PUT", "DELETE", "GET", "GET", "POST", "GET");
    static final Set<Integer> CHUNKED = Set.of(3, 8);
    static final Set<Integer> CLOSE = Set.of(7, 8);
    static final int KNOWN = 6;

    static byte[] item(int number, int size) {
        byte[] line = (number + "\n").getBytes(StandardCharsets.US_ASCII);
        byte[] item = new byte[size];
        for (int at = 0; at < size; at++) {
            item[at] = line[at % line.length];
        }
        return item;
    }

    static void ask(HttpClient client, String url, int number) throws Exception {
        int kind = number % 10;
        int size = SIZES[number / 10 % SIZES.length];
        String method = KINDS.get(kind);
        byte[] item = item(number, size);
        var body = BodyPublishers.noBody();
        if (CHUNKED.contains(kind)) {
            body = BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(item));
        } else if (method.equals("POST") || method.equals("PUT")) {
            body = BodyPublishers.ofByteArray(item);
        }
        var request = HttpRequest.newBuilder(URI.create(url + "/" + number + "/" + size))
                .timeout(Duration.ofSeconds(60))
                .method(method, body);
        if (CLOSE.contains(kind)) {
            request.header("connection", "close");
        }
        String tag = "\"" + number + "\"";
        if (kind == KNOWN) {
            request.header("if-none-match", tag);
        }
        var answer = client.send(request.build(), BodyHandlers.ofByteArray());
        int status = kind == KNOWN ? 304 : method.equals("DELETE") ? 204 : 200;
        boolean bodiless = status != 200 || method.equals("HEAD");
        expect("status", status, answer.statusCode());
        expect("x-number", "" + number, field(answer, "x-number"));
        expect("x-method", method, field(answer, "x-method"));
        expect("etag", tag, field(answer, "etag"));
        if (method.equals("HEAD")) {
            expect("content-length", "" + size, field(answer, "content-length"));
        }
        expect("bytes", bodiless ? 0 : size, answer.body().length);
        expect("body", true, bodiless || Arrays.equals(item, answer.body()));
    }

    static String field(HttpResponse<?> answer, String name) {
        return answer.headers().firstValue(name).orElse("none");
    }

    static void expect(String what, Object wanted, Object got) {
        if (!wanted.equals(got)) {
            throw new IllegalStateException(what + ": " + got + ", not " + wanted);
        }
    }

    public static void main(String[] args) throws Exception {
        System.setProperty("jdk.httpclient.allowRestrictedHeaders", "connection");
        int count = Integer.parseInt(args[1]);
        var client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        var next = new AtomicInteger();
        Queue<String> errors = new ConcurrentLinkedQueue<>();
        var lanes = Executors.newFixedThreadPool(8);
        for (int lane = 0; lane < 8; lane++) {
            lanes.submit(() -> {
                for (int number; (number = next.getAndIncrement()) < count; ) {
                    try {
                        ask(client, args[0], number);
                    } catch (Exception error) {
                        errors.add(number + ": " + error);
                    }
                }
            });
        }
        lanes.shutdown();
        lanes.awaitTermination(1, TimeUnit.HOURS);
        System.out.println(count + " requests, " + errors.size() + " errors");
        errors.stream().limit(10).forEach(System.err::println);
        System.exit(errors.isEmpty() ? 0 : 1);
    }
}
