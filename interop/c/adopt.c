/*
 * A C program with its own SSL_CTX and its own callbacks, whose connections are served by patina-tls.
 *
 *   adopt CERTIFICATE KEY CA CONNECTIONS RENEGOTIATIONS
 *
 * Listens on a free port of 127.0.0.1, and prints one line for each thing that happens: `port N` first, what its own
 * callbacks see, what the library reports (`patina ...`), and at last whether its SSL_CTX is as it was.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "patina_adopt.h"

static unsigned long messages;

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    (void)arg;
    printf("callback servername %s\n", name != NULL ? name : "-");
    return SSL_TLSEXT_ERR_OK;
}

static int on_verify(int ok, X509_STORE_CTX *chain)
{
    printf("callback verify depth %d ok %d error %d\n", X509_STORE_CTX_get_error_depth(chain), ok,
           X509_STORE_CTX_get_error(chain));
    return ok;
}

static void on_info(const SSL *ssl, int where, int value)
{
    (void)ssl;
    if (where & SSL_CB_HANDSHAKE_START)
        printf("callback info handshake start\n");
    else if (where & SSL_CB_HANDSHAKE_DONE)
        printf("callback info handshake done\n");
    else if (where & SSL_CB_ALERT)
        printf("callback info alert %s %s\n", where & SSL_CB_READ ? "received" : "sent",
               SSL_alert_desc_string_long(value));
}

static void on_message(int write_p, int version, int type, const void *buf, size_t len, SSL *ssl, void *arg)
{
    (void)write_p;
    (void)version;
    (void)type;
    (void)buf;
    (void)len;
    (void)ssl;
    (*(unsigned long *)arg)++;
}

static void on_report(void *argument, const char *line)
{
    (void)argument;
    printf("%s\n", line);
}

static SSL_CTX *make_context(const char *certificate, const char *key, const char *ca)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (ctx == NULL || SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1
        || SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1
        || SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1
        || SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"adopt", 5) != 1)
        return NULL;
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_verify);
    SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
    SSL_CTX_set_info_callback(ctx, on_info);
    SSL_CTX_set_msg_callback(ctx, on_message);
    SSL_CTX_set_msg_callback_arg(ctx, &messages);
    return ctx;
}

/* A listening socket on a free port. */
static int listen_locally(unsigned *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) != 0 || listen(fd, 8) != 0
        || getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        return -1;
    *port = ntohs(address.sin_port);
    return fd;
}

/* What can be read of a context. */
struct settings {
    unsigned long long options;
    long mode;
    int verify_mode;
    long cache_mode;
    long timeout;
    void (*info)(const SSL *, int, int);
    int (*verify)(int, X509_STORE_CTX *);
};

static struct settings settings_of(SSL_CTX *ctx)
{
    return (struct settings){ .options = SSL_CTX_get_options(ctx), .mode = SSL_CTX_get_mode(ctx),
                              .verify_mode = SSL_CTX_get_verify_mode(ctx),
                              .cache_mode = SSL_CTX_get_session_cache_mode(ctx), .timeout = SSL_CTX_get_timeout(ctx),
                              .info = SSL_CTX_get_info_callback(ctx), .verify = SSL_CTX_get_verify_callback(ctx) };
}

static int same(const struct settings *a, const struct settings *b)
{
    return a->options == b->options && a->mode == b->mode && a->verify_mode == b->verify_mode
           && a->cache_mode == b->cache_mode && a->timeout == b->timeout && a->info == b->info && a->verify == b->verify;
}

int main(int argc, char **argv)
{
    struct settings before, after;
    unsigned port;
    int listener, served;
    SSL_CTX *ctx;

    if (argc != 6) {
        fprintf(stderr, "usage: adopt CERTIFICATE KEY CA CONNECTIONS RENEGOTIATIONS\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    ctx = make_context(argv[1], argv[2], argv[3]);
    if (ctx == NULL) {
        ERR_print_errors_fp(stderr);
        return 1;
    }
    listener = listen_locally(&port);
    if (listener < 0) {
        perror("adopt");
        return 1;
    }
    printf("port %u\n", port);

    before = settings_of(ctx);
    served = patina_serve(ctx, listener, (unsigned)atoi(argv[4]), (unsigned)atoi(argv[5]), on_report, NULL);
    after = settings_of(ctx);

    printf("callback message %s\n", messages > 0 ? "seen" : "never seen");
    printf("context %s\n", same(&before, &after) ? "unchanged" : "CHANGED");
    SSL_CTX_free(ctx);
    close(listener);
    return served == 0 && same(&before, &after) ? 0 : 1;
}
