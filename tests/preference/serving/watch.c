/* Preloaded into a process, writes down every way it tries off this machine, into the file WATCHED_CALLS, and lets none of
   them out: names are not looked up, and connections other than to loopback are refused. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void told(const char *call, const char *what) {
    const char *file = getenv("WATCHED_CALLS");
    char line[512];
    int length = snprintf(line, sizeof line, "%s %s\n", call, what ? what : "");
    int out = file ? open(file, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    if (out < 0 || write(out, line, (size_t)length) < 0) abort(); /* a watcher that cannot write must not pass for one that saw nothing */
    close(out);
}

/* Does `to` lead off this machine? Says so, and that it was tried at all. */
static int leaves(const char *call, const struct sockaddr *to) {
    char text[INET6_ADDRSTRLEN] = "";
    if (!to) return 0;
    if (to->sa_family == AF_INET) {
        const struct in_addr *address = &((const struct sockaddr_in *)to)->sin_addr;
        told(call, inet_ntop(AF_INET, address, text, sizeof text));
        return ntohl(address->s_addr) >> 24 != 127;
    }
    if (to->sa_family == AF_INET6) {
        const struct in6_addr *address = &((const struct sockaddr_in6 *)to)->sin6_addr;
        told(call, inet_ntop(AF_INET6, address, text, sizeof text));
        return !IN6_IS_ADDR_LOOPBACK(address);
    }
    return 0;
}

int connect(int socket, const struct sockaddr *to, socklen_t size) {
    int (*next)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
    if (leaves("connect", to)) return errno = ECONNREFUSED, -1;
    return next(socket, to, size);
}

ssize_t sendto(int socket, const void *data, size_t length, int flags, const struct sockaddr *to, socklen_t size) {
    ssize_t (*next)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "sendto");
    if (leaves("sendto", to)) return errno = ECONNREFUSED, -1;
    return next(socket, data, length, flags, to, size);
}

ssize_t sendmsg(int socket, const struct msghdr *message, int flags) {
    ssize_t (*next)(int, const struct msghdr *, int) = dlsym(RTLD_NEXT, "sendmsg");
    if (message && leaves("sendmsg", message->msg_name)) return errno = ECONNREFUSED, -1;
    return next(socket, message, flags);
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    (void)service, (void)hints, (void)found;
    told("getaddrinfo", host);
    return EAI_FAIL;
}

struct hostent *gethostbyname(const char *host) {
    told("gethostbyname", host);
    return NULL;
}
