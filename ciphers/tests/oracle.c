/*
 * What a libssl itself makes of cipher strings: one question a line on stdin, one answer a line on stdout.
 * Fields are separated by tabs; a tls13 of "-" leaves the default list of TLS 1.3 suites.
 *
 *   V                                                the version, as hexadecimal number
 *   L string                                         SSL_CTX_set_cipher_list; the list below TLS 1.3
 *   M tls13 string                                   SSL_CTX_set_ciphersuites first; the whole list
 *   S tls13 level min max psk srp string             what of it a client supports (openssl ciphers -s)
 *
 * Answers: "OK <security level> <id>,<id>,..." or "NO <reason number>", for V the number.
 * With the argument "legacy" the legacy provider is loaded beside the default one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
#include <openssl/provider.h>
#endif

#define BASE_LEVEL 1
#define DEFAULT_TLS13 "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"

static unsigned int psk_client(SSL *ssl, const char *hint, char *identity, unsigned int max_identity, unsigned char *psk,
                               unsigned int max_psk)
{
    return 0;
}

static char *srp_password(SSL *ssl, void *arg)
{
    return NULL;
}

static void print_list(const STACK_OF(SSL_CIPHER) *list, int level, int with_tls13)
{
    const char *comma = "";
    int i;

    printf("OK %d ", level);
    for (i = 0; i < sk_SSL_CIPHER_num(list); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(list, i);

        if (!with_tls13 && strcmp(SSL_CIPHER_get_version(cipher), "TLSv1.3") == 0)
            continue;
        printf("%s%04X", comma, SSL_CIPHER_get_protocol_id(cipher));
        comma = ",";
    }
    printf("\n");
}

static void refuse(void)
{
    printf("NO %d\n", ERR_GET_REASON(ERR_peek_last_error()));
}

static void supported(const char *tls13, int level, int min, int max, int psk, int srp, const char *string)
{
    /* A context of its own: callbacks and versions would stay on the shared one. */
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = NULL;
    STACK_OF(SSL_CIPHER) *list = NULL;

    SSL_CTX_set_security_level(ctx, level);
    SSL_CTX_clear_options(ctx, SSL_OP_NO_SSLv3);
    if (psk)
        SSL_CTX_set_psk_client_callback(ctx, psk_client);
#ifndef OPENSSL_NO_SRP
    if (srp)
        SSL_CTX_set_srp_client_pwd_callback(ctx, srp_password);
#endif
    if ((strcmp(tls13, "-") != 0 && !SSL_CTX_set_ciphersuites(ctx, tls13)) || !SSL_CTX_set_cipher_list(ctx, string)
        || !SSL_CTX_set_min_proto_version(ctx, min) || !SSL_CTX_set_max_proto_version(ctx, max)) {
        refuse();
    } else {
        ssl = SSL_new(ctx);
        list = SSL_get1_supported_ciphers(ssl);
        print_list(list, SSL_get_security_level(ssl), 1);
    }
    sk_SSL_CIPHER_free(list);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

int main(int argc, char **argv)
{
    static char line[65536];
    SSL_CTX *ctx;

#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    if (argc > 1 && strcmp(argv[1], "legacy") == 0
        && (OSSL_PROVIDER_load(NULL, "legacy") == NULL || OSSL_PROVIDER_load(NULL, "default") == NULL)) {
        fprintf(stderr, "the legacy provider cannot be loaded\n");
        return 1;
    }
#endif
    ctx = SSL_CTX_new(TLS_method());
    if (ctx == NULL)
        return 1;
    while (fgets(line, sizeof(line), stdin) != NULL) {
        char *field[8] = { NULL };
        char *rest = line;
        int fields, wanted;

        line[strcspn(line, "\n")] = '\0';
        wanted = line[0] == 'S' ? 8 : line[0] == 'M' ? 3 : line[0] == 'L' ? 2 : 1;
        for (fields = 0; fields < wanted && rest != NULL; fields++) {
            char *tab = fields + 1 < wanted ? strchr(rest, '\t') : NULL;

            field[fields] = rest;
            rest = tab == NULL ? NULL : tab + 1;
            if (tab != NULL)
                *tab = '\0';
        }
        if (fields != wanted) {
            fprintf(stderr, "a question lacks fields: %s\n", line);
            return 1;
        }
        ERR_clear_error();
        SSL_CTX_set_security_level(ctx, BASE_LEVEL);
        SSL_CTX_clear_cert_flags(ctx, SSL_CERT_FLAG_SUITEB_128_LOS);
        switch (line[0]) {
        case 'V':
            printf("%lx\n", OpenSSL_version_num());
            break;
        case 'L':
            if (SSL_CTX_set_cipher_list(ctx, field[1]))
                print_list(SSL_CTX_get_ciphers(ctx), SSL_CTX_get_security_level(ctx), 0);
            else
                refuse();
            break;
        case 'M':
            if (SSL_CTX_set_ciphersuites(ctx, strcmp(field[1], "-") == 0 ? DEFAULT_TLS13 : field[1])
                && SSL_CTX_set_cipher_list(ctx, field[2]))
                print_list(SSL_CTX_get_ciphers(ctx), SSL_CTX_get_security_level(ctx), 1);
            else
                refuse();
            SSL_CTX_set_ciphersuites(ctx, DEFAULT_TLS13);
            break;
        case 'S':
            supported(field[1], atoi(field[2]), atoi(field[3]), atoi(field[4]), atoi(field[5]), atoi(field[6]), field[7]);
            break;
        default:
            fprintf(stderr, "not a question: %s\n", line);
            return 1;
        }
        fflush(stdout);
    }
    SSL_CTX_free(ctx);
    return 0;
}
