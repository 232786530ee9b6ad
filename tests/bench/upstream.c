/*
 * The model server of the benchmark: speaks enough of OpenAI's wire to stand behind a gateway, and is fast enough
 * (tens of thousands of requests a second on one core) that what is measured is the gateway and not this.
 *
 *     upstream PORT          port 0 lets the kernel choose; "ready PORT" is printed once connections are accepted
 *
 *     POST /v1/chat/completions   a chat completion with usage; with "stream": true, 64 chunks, then a usage chunk if
 *                                 stream_options asks for one, then [DONE]; each event is an HTTP chunk and a write()
 *                                 of its own. If the body contains the word "paced", an event goes out every 5 ms.
 *     POST /v1/embeddings         one vector
 *     GET  /v1/models             one model
 *     anything else               404
 *
 * One thread and one epoll loop. Every answer is made at start-up: serving one is a search in the request and write().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
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

#define MODEL "bench-model"
#define USAGE                                                                                                         \
    "{\"prompt_tokens\":212,\"completion_tokens\":64,\"total_tokens\":276,"                                           \
    "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"                                             \
    "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0}}"

enum {
    CONTENT_CHUNKS = 64,
    EVENTS_MAX = CONTENT_CHUNKS + 2, /* and usage, and [DONE] */
    VECTOR_LENGTH = 256,
    CONNECTIONS_MAX = 16384,
    REQUEST_LIMIT = 1 << 24,
    READ_SIZE = 16384,
    TEXT_LIMIT = 16384,
    /* Larger than any answer: a connection carries one answer at a time, so that a write() never comes up short. */
    SEND_BUFFER = 128 * 1024,
};

static const int64_t NANOSECONDS = 1000000000;
static const int64_t PACE = 5000000; /* between two events of a paced stream, in nanoseconds */

/* ------------------------------------------------------------------------------------------------ answers */

struct text {
    char *data;
    size_t length;
};

struct script { /* the events of one stream, each already framed as an HTTP chunk */
    struct text events[EVENTS_MAX];
    size_t count;
};

static struct text completion, embedding, models, not_found, stream_head;
static struct script plain_script, usage_script;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static struct text text_of(const char *format, ...) {
    char buffer[TEXT_LIMIT];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(buffer, sizeof buffer, format, arguments);
    va_end(arguments);
    if (length < 0 || length >= TEXT_LIMIT) {
        fputs("upstream: an answer is longer than TEXT_LIMIT\n", stderr);
        exit(1);
    }
    return (struct text){.data = strdup(buffer), .length = (size_t)length};
}

static struct text json_answer(const char *status, const char *body) {
    return text_of("HTTP/1.1 %s\r\ncontent-type: application/json\r\nx-request-id: req_0123456789abcdef\r\n"
                   "openai-processing-ms: 12\r\ncontent-length: %zu\r\n\r\n%s",
                   status, strlen(body), body);
}

static void add_event(struct script *script, const char *payload, const char *after) {
    char event[TEXT_LIMIT / 2];
    int length = snprintf(event, sizeof event, "data: %s\n\n", payload);
    script->events[script->count++] = text_of("%x\r\n%s\r\n%s", (unsigned)length, event, after);
}

/* With usage asked for, OpenAI puts "usage": null into every chunk before the one that carries it. */
static void write_script(struct script *script, bool usage) {
    const char *head = "{\"id\":\"chatcmpl-Bq1nqYc2h8C2zFh0Kk4xQ9YbT0aXw\",\"object\":\"chat.completion.chunk\","
                       "\"created\":1760000000,\"model\":\"" MODEL "\",\"service_tier\":\"default\","
                       "\"system_fingerprint\":\"fp_0123456789\"";
    char payload[4096];
    for (int i = 0; i < CONTENT_CHUNKS; i++) {
        snprintf(payload, sizeof payload,
                 "%s,\"choices\":[{\"index\":0,\"delta\":{%s\"content\":\" word%d\"},\"logprobs\":null,"
                 "\"finish_reason\":%s}]%s}",
                 head, i == 0 ? "\"role\":\"assistant\"," : "", i, i == CONTENT_CHUNKS - 1 ? "\"stop\"" : "null",
                 usage ? ",\"usage\":null" : "");
        add_event(script, payload, "");
    }
    if (usage) {
        snprintf(payload, sizeof payload, "%s,\"choices\":[],\"usage\":" USAGE "}", head);
        add_event(script, payload, "");
    }
    add_event(script, "[DONE]", "0\r\n\r\n");
}

static void write_answers(void) {
    completion = json_answer(
        "200 OK",
        "{\"id\":\"chatcmpl-Bq1nqYc2h8C2zFh0Kk4xQ9YbT0aXw\",\"object\":\"chat.completion\",\"created\":1760000000,"
        "\"model\":\"" MODEL "\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"The quick "
        "brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs. How vexingly quick daft zebras "
        "jump! Sphinx of black quartz, judge my vow. The five boxing wizards jump quickly.\",\"refusal\":null,"
        "\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":" USAGE ","
        "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_0123456789\"}");
    models = json_answer("200 OK", "{\"object\":\"list\",\"data\":[{\"id\":\"" MODEL "\",\"object\":\"model\","
                                   "\"created\":1760000000,\"owned_by\":\"bench\"}]}");
    not_found = json_answer("404 Not Found", "{\"error\":{\"message\":\"no such path\",\"type\":"
                                             "\"invalid_request_error\",\"param\":null,\"code\":\"not_found\"}}");

    char vector[TEXT_LIMIT / 2];
    size_t used = 0;
    for (int i = 0; i < VECTOR_LENGTH; i++)
        used += (size_t)snprintf(vector + used, sizeof vector - used, "%s%.8f", i ? "," : "", (i - 128) / 1024.0);
    struct text body = text_of("{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":"
                               "[%s]}],\"model\":\"" MODEL "\",\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}",
                               vector);
    embedding = json_answer("200 OK", body.data);
    free(body.data);

    stream_head = text_of("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
                          "x-request-id: req_0123456789abcdef\r\ncache-control: no-cache\r\n"
                          "transfer-encoding: chunked\r\n\r\n");
    write_script(&plain_script, false);
    write_script(&usage_script, true);
}

/* -------------------------------------------------------------------------------------------- connections */

struct connection {
    int fd;
    char *input;
    size_t length, capacity;
    const struct script *script; /* the paced stream being sent, or NULL */
    size_t next_event;
    int64_t due; /* when the next event of the paced stream goes out */
    bool closed; /* freed after the batch of events, which may still point to it */
};

static int epoll_fd, timer_fd;
static struct connection *paced[CONNECTIONS_MAX];
static size_t paced_count;
static struct connection *graveyard[CONNECTIONS_MAX];
static size_t graveyard_count;

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * NANOSECONDS + time.tv_nsec;
}

static void close_connection(struct connection *connection) {
    close(connection->fd);
    connection->closed = true;
    graveyard[graveyard_count++] = connection;
}

static void bury_closed_connections(void) {
    for (size_t i = 0; i < graveyard_count; i++) {
        free(graveyard[i]->input);
        free(graveyard[i]);
    }
    graveyard_count = 0;
}

/* A short write cannot happen with SEND_BUFFER, so that one means a client that has gone. */
static bool send_text(const struct connection *connection, const struct text *text) {
    return write(connection->fd, text->data, text->length) == (ssize_t)text->length;
}

static bool send_stream_at_once(const struct connection *connection, const struct script *script) {
    if (!send_text(connection, &stream_head))
        return false;
    for (size_t i = 0; i < script->count; i++)
        if (!send_text(connection, &script->events[i]))
            return false;
    return true;
}

static bool begin_paced_stream(struct connection *connection, const struct script *script) {
    connection->script = script;
    connection->next_event = 0;
    connection->due = now() + PACE;
    paced[paced_count++] = connection;
    return send_text(connection, &stream_head);
}

/* ----------------------------------------------------------------------------------------------- requests */

struct request {
    const char *target;
    size_t target_length;
    const char *body;
    size_t body_length;
    size_t length; /* of the whole request: what to take out of the input */
};

enum parsed { INCOMPLETE, COMPLETE, MALFORMED };

static enum parsed measure_chunked_body(const char *body, size_t available, size_t *length) {
    size_t at = 0;
    for (;;) {
        const char *line_end = memmem(body + at, available - at, "\r\n", 2);
        if (line_end == NULL)
            return INCOMPLETE;
        size_t size = strtoul(body + at, NULL, 16);
        if (size > REQUEST_LIMIT)
            return MALFORMED;
        at = (size_t)(line_end + 2 - body) + size + 2; /* the chunk and its CRLF; of the last, the blank line */
        if (at > available)
            return INCOMPLETE;
        if (size == 0) {
            *length = at;
            return COMPLETE;
        }
    }
}

/* The input always ends with a NUL, so that the header can be searched as a string once it is known to be whole. */
static enum parsed parse_request(char *input, size_t available, struct request *request) {
    char *head_end = memmem(input, available, "\r\n\r\n", 4);
    if (head_end == NULL)
        return available < READ_SIZE ? INCOMPLETE : MALFORMED;
    size_t head_length = (size_t)(head_end + 4 - input);

    char *target = memchr(input, ' ', head_length);
    char *target_end = target ? memchr(target + 1, ' ', (size_t)(head_end - target)) : NULL;
    if (target_end == NULL)
        return MALFORMED;
    request->target = target + 1;
    request->target_length = (size_t)(target_end - request->target);
    request->body = head_end + 4;
    request->body_length = 0;

    *head_end = '\0';
    const char *content_length = strcasestr(target_end, "\r\ncontent-length:");
    bool chunked = strcasestr(target_end, "\r\ntransfer-encoding: chunked") != NULL;
    if (content_length != NULL)
        request->body_length = strtoul(content_length + strlen("\r\ncontent-length:"), NULL, 10);
    *head_end = '\r';

    if (request->body_length > REQUEST_LIMIT)
        return MALFORMED;
    if (chunked) {
        enum parsed parsed = measure_chunked_body(request->body, available - head_length, &request->body_length);
        if (parsed != COMPLETE)
            return parsed;
    }
    request->length = head_length + request->body_length;
    return request->length <= available ? COMPLETE : INCOMPLETE;
}

static bool target_is(const struct request *request, const char *path) {
    return request->target_length == strlen(path) && memcmp(request->target, path, request->target_length) == 0;
}

static bool body_contains(const struct request *request, const char *words) {
    return memmem(request->body, request->body_length, words, strlen(words)) != NULL;
}

static bool answer(struct connection *connection, const struct request *request) {
    if (target_is(request, "/v1/embeddings"))
        return send_text(connection, &embedding);
    if (target_is(request, "/v1/models"))
        return send_text(connection, &models);
    if (!target_is(request, "/v1/chat/completions"))
        return send_text(connection, &not_found);
    if (!body_contains(request, "\"stream\":true") && !body_contains(request, "\"stream\": true"))
        return send_text(connection, &completion);
    bool usage = body_contains(request, "\"include_usage\":true") || body_contains(request, "\"include_usage\": true");
    const struct script *script = usage ? &usage_script : &plain_script;
    return body_contains(request, "paced") ? begin_paced_stream(connection, script)
                                           : send_stream_at_once(connection, script);
}

/* Answers what is whole in the input; while a paced stream is under way, the next request waits. False: to close. */
static bool answer_requests(struct connection *connection) {
    while (connection->script == NULL && connection->length > 0) {
        struct request request;
        enum parsed parsed = parse_request(connection->input, connection->length, &request);
        if (parsed != COMPLETE)
            return parsed == INCOMPLETE;
        if (!answer(connection, &request))
            return false;
        connection->length -= request.length;
        memmove(connection->input, connection->input + request.length, connection->length);
        connection->input[connection->length] = '\0';
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------- the loop */

static void arm_timer(void) {
    struct itimerspec alarm = {0}; /* all zero disarms */
    int64_t earliest = 0;
    for (size_t i = 0; i < paced_count; i++)
        if (earliest == 0 || paced[i]->due < earliest)
            earliest = paced[i]->due;
    alarm.it_value.tv_sec = earliest / NANOSECONDS;
    alarm.it_value.tv_nsec = earliest % NANOSECONDS;
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &alarm, NULL);
}

static void stop_pacing(struct connection *connection) {
    for (size_t i = 0; i < paced_count; i++)
        if (paced[i] == connection) {
            paced[i] = paced[--paced_count];
            break;
        }
    connection->script = NULL;
}

static void drop(struct connection *connection) {
    if (connection->script != NULL)
        stop_pacing(connection);
    close_connection(connection);
}

static void send_due_events(void) {
    uint64_t expirations;
    if (read(timer_fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
        die("timer");
    int64_t time = now();
    for (size_t i = paced_count; i-- > 0;) { /* downwards: removing puts a connection already seen into the gap */
        struct connection *connection = paced[i];
        if (connection->due > time)
            continue;
        const struct script *script = connection->script;
        bool alive = send_text(connection, &script->events[connection->next_event++]);
        connection->due += PACE;
        if (alive && connection->next_event == script->count) {
            stop_pacing(connection);
            alive = answer_requests(connection);
        }
        if (!alive)
            drop(connection);
    }
}

static void watch(int fd, void *data) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

static void accept_connections(int listener) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= CONNECTIONS_MAX) {
            close(fd);
            continue;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *connection = calloc(1, sizeof *connection);
        connection->fd = fd;
        connection->capacity = 2 * READ_SIZE;
        connection->input = calloc(1, connection->capacity);
        watch(fd, connection);
    }
}

static void read_requests(struct connection *connection) {
    if (connection->closed)
        return;
    if (connection->capacity - connection->length < READ_SIZE + 1) {
        connection->capacity *= 2;
        connection->input = realloc(connection->input, connection->capacity);
    }
    ssize_t count = read(connection->fd, connection->input + connection->length, READ_SIZE);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count > 0) {
        connection->length += (size_t)count;
        connection->input[connection->length] = '\0';
    }
    if (count <= 0 || connection->length > 2 * REQUEST_LIMIT || !answer_requests(connection))
        drop(connection);
}

static int listen_on(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int on = 1, buffer = SEND_BUFFER;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer); /* accepted connections inherit it */
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        die("listen");
    printf("ready %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int count, char **arguments) {
    if (count != 2) {
        fputs("usage: upstream PORT\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    write_answers();
    epoll_fd = epoll_create1(0);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    if (epoll_fd < 0 || timer_fd < 0)
        die("epoll or timer");
    int listener = listen_on((uint16_t)strtoul(arguments[1], NULL, 10));
    watch(listener, &listener);
    watch(timer_fd, &timer_fd);

    struct epoll_event events[256];
    for (;;) {
        int ready = epoll_wait(epoll_fd, events, 256, -1);
        bool pacing = paced_count > 0;
        for (int i = 0; i < ready; i++) {
            void *source = events[i].data.ptr;
            if (source == &listener)
                accept_connections(listener);
            else if (source == &timer_fd)
                send_due_events();
            else
                read_requests(source);
        }
        if (pacing || paced_count > 0)
            arm_timer();
        bury_closed_connections();
    }
}
