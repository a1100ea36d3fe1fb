// The HTTP client of the JDK, with its cookie manager: logs in, asks, refreshes, logs out. Prints what it sent and got.

import java.net.CookieManager;
import java.net.CookiePolicy;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;

class Client {
    public static void main(String[] arguments) throws Exception {
        for (HttpClient.Version version : HttpClient.Version.values()) {
            CookieManager cookies = new CookieManager(null, CookiePolicy.ACCEPT_ALL);
            HttpClient client = HttpClient.newBuilder()
                .version(version).cookieHandler(cookies).connectTimeout(Duration.ofSeconds(10)).build();
            for (String step : "GET/me POST/login GET/me POST/refresh GET/me POST/logout GET/me".split(" ")) {
                int slash = step.indexOf('/');
                // Only what is read: hyper closes a connection on which the rest of a request has not come yet.
                HttpRequest.BodyPublisher body = step.endsWith("/login")
                    ? HttpRequest.BodyPublishers.ofString("{\"username\":\"bob\",\"password\":\"right\"}")
                    : HttpRequest.BodyPublishers.noBody();
                HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0] + step.substring(slash)))
                    .timeout(Duration.ofSeconds(10)).header("Content-Type", "application/json")
                    .method(step.substring(0, slash), body).build();
                int status = client.send(request, BodyHandlers.discarding()).statusCode();
                System.out.println(version + " " + step + " " + status + " " + cookies.getCookieStore().getCookies().size());
            }
        }
    }
}
