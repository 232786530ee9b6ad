/*
 * The load generator of the benchmark: sends one request over and over, and prints what came back as one JSON object.
 *
 *     load -p PORT [-P PATH] [-c CONNECTIONS] [-r RATE] [-d SECONDS] [-w WARM-UP] [-k KEY] [-b BODY FILE] [-s EVENTS]
 *
 * Closed loop (no -r): every connection sends its next request when the last is answered. Open loop (-r): requests
 * are due at a fixed rate whatever the answers do, and latency counts from the moment a request was due, so that a
 * server that stalls cannot hide it by slowing the load down. With -s each answer must be an event stream of that
 * many events, [DONE] among them. Without -b it is a GET.
 *
 * Only answers that are whole and 200 count as answers; all others are errors, and errors of the warm-up count too.
 * After the time is up nothing new is sent, and what is under way has DRAIN_SECONDS to finish, or is an error.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    HEAD_LIMIT = 16384,
    BODY_LIMIT = 1 << 24,
    READ_SIZE = 65536,
    STATUS_LIMIT = 1000,
    DRAIN_SECONDS = 5,
    IDLE_WAIT_MS = 10,
    LINE_START = 12, /* as much of a line as tells "data:" and "data: [DONE]" apart from others */
};

/* ------------------------------------------------------------------------------------------------ options */

static struct {
    uint16_t port;
    const char *path, *key, *body_file, *more_headers;
    int connections;
    double rate, seconds, warm_up;
    long events;
} options = {.path = "/v1/chat/completions", .key = "none", .more_headers = "", .connections = 32, .seconds = 5, .warm_up = 1};

static void fail(const char *message) {
    fprintf(stderr, "load: %s\n", message);
    exit(2);
}

static void read_options(int count, char **arguments) {
    int option;
    while ((option = getopt(count, arguments, "p:P:c:r:d:w:k:b:s:H:")) != -1) {
        switch (option) {
        case 'p': options.port = (uint16_t)atoi(optarg); break;
        case 'P': options.path = optarg; break;
        case 'c': options.connections = atoi(optarg); break;
        case 'r': options.rate = atof(optarg); break;
        case 'd': options.seconds = atof(optarg); break;
        case 'w': options.warm_up = atof(optarg); break;
        case 'k': options.key = optarg; break;
        case 'H': options.more_headers = optarg; break; /* whole lines, each ending in CR LF */
        case 'b': options.body_file = optarg; break;
        case 's': options.events = atol(optarg); break;
        default: fail("see the head of load.c for the options");
        }
    }
    if (options.port == 0 || options.connections < 1 || options.seconds <= 0)
        fail("a port, at least one connection and some seconds are needed");
}

static char *request;
static size_t request_length;

static void write_request(void) {
    char *body = malloc(BODY_LIMIT);
    size_t body_length = 0;
    if (options.body_file != NULL) {
        FILE *file = fopen(options.body_file, "rb");
        if (file == NULL)
            fail("the body file cannot be read");
        body_length = fread(body, 1, BODY_LIMIT, file);
        fclose(file);
    }
    int head_length = asprintf(&request,
                               "%s %s HTTP/1.1\r\nhost: 127.0.0.1:%u\r\nauthorization: Bearer %s\r\n"
                               "content-type: application/json\r\naccept: */*\r\nuser-agent: bench\r\n"
                               "%scontent-length: %zu\r\n\r\n",
                               options.body_file ? "POST" : "GET", options.path, options.port, options.key,
                               options.more_headers, body_length);
    if (head_length < 0)
        fail("out of memory");
    request_length = (size_t)head_length + body_length;
    request = realloc(request, request_length);
    memcpy(request + head_length, body, body_length);
    free(body);
}

/* -------------------------------------------------------------------------------------------- connections */

enum phase { IDLE, HEAD, BODY };
enum framing { BY_LENGTH, BY_CHUNKS, BY_CLOSE };
enum chunk_part { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_END, TRAILER };
enum progress { MORE, WHOLE, BROKEN };

struct connection {
    int fd; /* -1 while not connected */
    enum phase phase;
    double due, first_event; /* first_event is 0 until there is one */

    char head[HEAD_LIMIT + 1];
    size_t head_length;
    int status;
    bool closes; /* the server said that it will close after this answer */
    enum framing framing;
    uint64_t left; /* of the body, or of the chunk */
    enum chunk_part part;
    bool trailer_line_empty;

    char line[LINE_START]; /* the start of the line of the body that is being read */
    size_t line_length;
    long events;
    bool done_seen;
};

static struct connection *connections;
static int *idle_ring; /* first in, first out, so that every connection is used */
static int idle_start, idle_count;
static int epoll_fd, timer_fd;
static double started, measured_from, ends;
static long sent;

static struct {
    double *latencies, *first_events; /* of the answers in the measured time */
    size_t count, first_event_count, capacity;
    long events;                   /* in the measured time */
    long total, total_events;      /* with warm-up and drain: what CPU time is divided by */
    long by_status[STATUS_LIMIT];  /* whole answers other than 200 */
    long broken, refused, wrong_streams, unfinished;
} results;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void record(const struct connection *connection) {
    double time = now();
    results.total++;
    results.total_events += connection->events;
    /* An open loop owes an answer to all that was due in the measured time; a closed loop counts what got finished. */
    bool measured = options.rate > 0 ? connection->due >= measured_from : time >= measured_from && time <= ends;
    if (!measured)
        return;
    if (results.count == results.capacity) {
        results.capacity = results.capacity ? 2 * results.capacity : 65536;
        results.latencies = realloc(results.latencies, results.capacity * sizeof(double));
        results.first_events = realloc(results.first_events, results.capacity * sizeof(double));
        if (results.latencies == NULL || results.first_events == NULL)
            fail("out of memory");
    }
    results.latencies[results.count++] = time - connection->due;
    if (connection->first_event > 0)
        results.first_events[results.first_event_count++] = connection->first_event - connection->due;
    results.events += connection->events;
}

static void disconnect(struct connection *connection) {
    close(connection->fd); /* leaves the epoll set by itself */
    connection->fd = -1;
}

static bool connect_to_server(struct connection *connection) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(options.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll_ctl");
    connection->fd = fd;
    return true;
}

static void make_idle(struct connection *connection) {
    connection->phase = IDLE;
    idle_ring[(idle_start + idle_count++) % options.connections] = (int)(connection - connections);
}

static struct connection *take_idle(void) {
    struct connection *connection = &connections[idle_ring[idle_start]];
    idle_start = (idle_start + 1) % options.connections;
    idle_count--;
    return connection;
}

static void give_up(struct connection *connection, long *kind_of_error) {
    (*kind_of_error)++;
    if (connection->fd >= 0)
        disconnect(connection);
    make_idle(connection);
}

/* A request that does not fit the socket's buffer is waited for: those of megabytes are measured few at a time. */
static bool send_whole(int fd) {
    size_t gone = 0;
    while (gone < request_length) {
        ssize_t count = send(fd, request + gone, request_length - gone, MSG_NOSIGNAL);
        if (count > 0) {
            gone += (size_t)count;
            continue;
        }
        struct pollfd room = {.fd = fd, .events = POLLOUT};
        if (count == 0 || (errno != EAGAIN && errno != EINTR) || poll(&room, 1, DRAIN_SECONDS * 1000) <= 0)
            return false;
    }
    return true;
}

static void send_request(struct connection *connection, double due) {
    sent++;
    connection->phase = HEAD;
    connection->due = due;
    connection->first_event = 0;
    connection->head_length = connection->line_length = 0;
    connection->events = 0;
    connection->done_seen = false;
    if (connection->fd < 0 && !connect_to_server(connection))
        give_up(connection, &results.refused);
    else if (!send_whole(connection->fd))
        give_up(connection, &results.broken);
}

static void finish(struct connection *connection) {
    if (connection->status != 200)
        results.by_status[connection->status]++;
    else if (options.events > 0 && (connection->events != options.events || !connection->done_seen))
        results.wrong_streams++;
    else
        record(connection);
    if (connection->closes)
        disconnect(connection);
    make_idle(connection);
}

/* ------------------------------------------------------------------------------------------------ answers */

/* Counts "data:" lines of the body, wherever reads and chunks have cut it. */
static void scan_events(struct connection *connection, const char *data, size_t length) {
    const char *end = data + length;
    while (data < end) {
        if (connection->line_length == LINE_START) { /* nothing more to learn from this line */
            const char *newline = memchr(data, '\n', (size_t)(end - data));
            if (newline == NULL)
                return;
            connection->line_length = 0;
            data = newline + 1;
            continue;
        }
        char byte = *data++;
        if (byte == '\n') {
            connection->line_length = 0;
            continue;
        }
        connection->line[connection->line_length++] = byte;
        if (connection->line_length == 5 && memcmp(connection->line, "data:", 5) == 0) {
            connection->events++;
            if (connection->first_event == 0)
                connection->first_event = now();
        }
        if (connection->line_length == LINE_START && memcmp(connection->line, "data: [DONE]", LINE_START) == 0)
            connection->done_seen = true;
    }
}

static int hex_digit(char byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static enum progress read_chunks(struct connection *connection, const char *data, size_t length) {
    const char *end = data + length;
    while (data < end) {
        if (connection->part == CHUNK_DATA) {
            size_t here = (size_t)(end - data);
            if (here > connection->left)
                here = connection->left;
            scan_events(connection, data, here);
            data += here;
            connection->left -= here;
            if (connection->left == 0)
                connection->part = CHUNK_END;
            continue;
        }
        char byte = *data++;
        if (byte == '\r')
            continue;
        switch (connection->part) {
        case CHUNK_SIZE:
        case CHUNK_EXTENSION:
            if (byte == '\n') {
                connection->part = connection->left > 0 ? CHUNK_DATA : TRAILER;
                connection->trailer_line_empty = true;
            } else if (byte == ';' || connection->part == CHUNK_EXTENSION) {
                connection->part = CHUNK_EXTENSION;
            } else if (hex_digit(byte) < 0 || connection->left > (UINT64_MAX >> 8)) {
                return BROKEN;
            } else {
                connection->left = connection->left * 16 + (uint64_t)hex_digit(byte);
            }
            break;
        case CHUNK_END:
            if (byte != '\n')
                return BROKEN;
            connection->part = CHUNK_SIZE;
            break;
        default: /* TRAILER: lines up to an empty one */
            if (byte == '\n' && connection->trailer_line_empty)
                return data == end ? WHOLE : BROKEN;
            connection->trailer_line_empty = byte == '\n';
        }
    }
    return MORE;
}

static enum progress read_body(struct connection *connection, const char *data, size_t length) {
    if (connection->framing == BY_CHUNKS)
        return read_chunks(connection, data, length);
    scan_events(connection, data, length);
    if (connection->framing == BY_CLOSE)
        return MORE;
    if (length > connection->left)
        return BROKEN;
    connection->left -= length;
    return connection->left == 0 ? WHOLE : MORE;
}

static enum progress read_head(struct connection *connection, const char *data, size_t length) {
    size_t room = HEAD_LIMIT - connection->head_length;
    size_t taken = length < room ? length : room;
    memcpy(connection->head + connection->head_length, data, taken);
    size_t seen = connection->head_length;
    connection->head_length += taken;
    connection->head[connection->head_length] = '\0';
    char *end = memmem(connection->head, connection->head_length, "\r\n\r\n", 4);
    if (end == NULL)
        return taken < length || connection->head_length == HEAD_LIMIT ? BROKEN : MORE;
    *end = '\0';
    if (strncmp(connection->head, "HTTP/1.", 7) != 0)
        return BROKEN;
    connection->status = atoi(connection->head + strlen("HTTP/1.1 "));
    if (connection->status < 200 || connection->status >= STATUS_LIMIT)
        return BROKEN;

    const char *content_length = strcasestr(connection->head, "\r\ncontent-length:");
    bool chunked = strcasestr(connection->head, "\r\ntransfer-encoding: chunked") != NULL;
    connection->framing = chunked ? BY_CHUNKS : content_length ? BY_LENGTH : BY_CLOSE;
    connection->closes =
        connection->framing == BY_CLOSE || strcasestr(connection->head, "\r\nconnection: close") != NULL;
    connection->left =
        connection->framing == BY_LENGTH ? strtoull(content_length + strlen("\r\ncontent-length:"), NULL, 10) : 0;
    connection->part = CHUNK_SIZE;
    connection->phase = BODY;

    size_t used = (size_t)(end + 4 - connection->head) - seen; /* of this read, by the head */
    return used == length && connection->left > 0 ? MORE : read_body(connection, data + used, length - used);
}

static void read_answer(struct connection *connection) {
    static char buffer[READ_SIZE];
    ssize_t count = read(connection->fd, buffer, sizeof buffer);
    if (count < 0 && errno == EAGAIN)
        return;
    if (connection->phase == IDLE) { /* the server let go of a connection that it owed nothing; or it is babbling */
        disconnect(connection);
        return;
    }
    enum progress progress;
    if (count > 0)
        progress = connection->phase == HEAD ? read_head(connection, buffer, (size_t)count)
                                             : read_body(connection, buffer, (size_t)count);
    else
        progress = count == 0 && connection->phase == BODY && connection->framing == BY_CLOSE ? WHOLE : BROKEN;
    if (progress == WHOLE)
        finish(connection);
    else if (progress == BROKEN)
        give_up(connection, &results.broken);
}

/* ---------------------------------------------------------------------------------------------- the loop */

/* A timer and not a busy wait: the upstream runs on the same core, and must not compete with waiting. */
static void wake_at(double time) {
    struct itimerspec alarm = {0};
    alarm.it_value.tv_sec = (time_t)time;
    alarm.it_value.tv_nsec = (long)((time - (double)(time_t)time) * 1e9);
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &alarm, NULL);
}

static double next_due(void) { return started + (double)sent / options.rate; }

/* True while there is more to send, now or later. */
static bool send_due_requests(void) {
    double time = now();
    if (options.rate <= 0) {
        for (int i = idle_count; i > 0 && time < ends; i--) /* each at most once: a refused one is idle again */
            send_request(take_idle(), time);
        return time < ends;
    }
    while (idle_count > 0 && next_due() < ends && next_due() <= time)
        send_request(take_idle(), next_due());
    if (next_due() >= ends)
        return false;
    if (next_due() > time)
        wake_at(next_due());
    return true;
}

static void run(void) {
    struct epoll_event events[256];
    started = now();
    measured_from = started + options.warm_up;
    ends = measured_from + options.seconds;
    while (send_due_requests() || idle_count < options.connections) {
        if (now() > ends + DRAIN_SECONDS)
            break;
        int ready = epoll_wait(epoll_fd, events, 256, IDLE_WAIT_MS);
        for (int i = 0; i < ready; i++) {
            uint64_t expirations;
            if (events[i].data.ptr != NULL)
                read_answer(events[i].data.ptr);
            else if (read(timer_fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
                fail("timer");
            send_due_requests(); /* at once, so that a server is not left waiting for the rest of the batch */
        }
    }
    results.unfinished = options.connections - idle_count;
    if (options.rate > 0 && next_due() < ends) /* never sent, for want of a free connection */
        results.unfinished += (long)((ends - started) * options.rate) - sent;
}

/* ------------------------------------------------------------------------------------------------- report */

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The smallest value that at least this share of the values does not exceed. */
static double quantile(const double *sorted, size_t count, double share) {
    if (count == 0)
        return 0;
    size_t rank = (size_t)(share * (double)count + 0.999999);
    return sorted[rank > 0 ? (rank > count ? count : rank) - 1 : 0] * 1e3;
}

static void print_results(void) {
    qsort(results.latencies, results.count, sizeof(double), ascending);
    qsort(results.first_events, results.first_event_count, sizeof(double), ascending);
    long errors = results.broken + results.refused + results.wrong_streams + results.unfinished;
    printf("{\"statuses\": {");
    const char *comma = "";
    for (int status = 0; status < STATUS_LIMIT; status++) {
        if (results.by_status[status] == 0)
            continue;
        printf("%s\"%d\": %ld", comma, status, results.by_status[status]);
        errors += results.by_status[status];
        comma = ", ";
    }
    printf("}, \"broken\": %ld, \"refused\": %ld, \"wrong_streams\": %ld, \"unfinished\": %ld, \"errors\": %ld, ",
           results.broken, results.refused, results.wrong_streams, results.unfinished, errors);
    printf("\"n\": %zu, \"total\": %ld, \"rps\": %.2f, ", results.count, results.total,
           (double)results.count / options.seconds);
    printf("\"events_total\": %ld, \"events_per_s\": %.1f, ", results.total_events,
           (double)results.events / options.seconds);
    printf("\"p50\": %.4f, \"p90\": %.4f, \"p99\": %.4f, \"max\": %.4f, ",
           quantile(results.latencies, results.count, 0.5), quantile(results.latencies, results.count, 0.9),
           quantile(results.latencies, results.count, 0.99), quantile(results.latencies, results.count, 1));
    printf("\"ttft_p50\": %.4f, \"ttft_p99\": %.4f}\n",
           quantile(results.first_events, results.first_event_count, 0.5),
           quantile(results.first_events, results.first_event_count, 0.99));
}

int main(int count, char **arguments) {
    signal(SIGPIPE, SIG_IGN);
    read_options(count, arguments);
    write_request();
    epoll_fd = epoll_create1(0);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event timer = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_fd < 0 || timer_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &timer) < 0)
        fail("epoll or timer");
    connections = calloc((size_t)options.connections, sizeof *connections);
    idle_ring = calloc((size_t)options.connections, sizeof *idle_ring);
    if (connections == NULL || idle_ring == NULL)
        fail("out of memory");
    for (int i = 0; i < options.connections; i++) {
        connections[i].fd = -1;
        make_idle(&connections[i]);
    }
    run();
    print_results();
    return 0;
}
