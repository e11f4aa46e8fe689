// What a program learns of the name of its own machine: the address that belongs to it, and the files that say so.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void resolve(const char *name) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
    char text[64];
    int error = getaddrinfo(name, "80", &hints, &list);
    if (error) {
        printf("%s: %s\n", name, gai_strerror(error));
        return;
    }
    printf("%s: %s\n", name, inet_ntop(AF_INET, &((struct sockaddr_in *)list->ai_addr)->sin_addr, text, sizeof text));
    freeaddrinfo(list);
}

int main(void) {
    char name[100] = "", line[100] = "";
    gethostname(name, sizeof name);
    FILE *file = fopen("/etc/hostname", "r");
    if (file)
        fgets(line, sizeof line, file);
    printf("/etc/hostname: %s", line);
    resolve(name);
    resolve("localhost");
    return 0;
}
