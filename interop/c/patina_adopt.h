/* Serves connections of an SSL_CTX that this program has made, with a guard against renegotiation. */
#ifndef PATINA_ADOPT_H
#define PATINA_ADOPT_H

#include <openssl/ssl.h>

/* Is told a line, without line end, that lives during the call. */
typedef void (*patina_report)(void *argument, const char *line);

/*
 * Accepts `connections` connections, one after the other, and sends back what they send.
 *
 * `listener` is a listening socket, which stays open and yours. `ctx` stays yours, too: it is not written to, and its
 * callbacks run as ever. A client may renegotiate `renegotiations` times within ten minutes; then its connection fails.
 * Returns 0, or -1 when it could not even begin.
 */
int patina_serve(SSL_CTX *ctx, int listener, unsigned connections, unsigned renegotiations, patina_report report,
                 void *argument);

#endif
