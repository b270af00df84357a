// A 32-bit program without a C library: ioctls on argv[1] through the compat system calls. For each of TIOCGSERIAL,
// TCGETS and FIONREAD it writes the result and the 100 bytes, 0xA5 before, that the kernel was given.

static int call(int number, int a, int b, int c) {
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}

enum { EXIT = 1, WRITE = 4, OPEN = 5, IOCTL = 54 };

struct answer {
    int result;
    unsigned char bytes[100];
};

__attribute__((used)) static void program(int *stack) {
    static const int commands[] = {0x541E, 0x5401, 0x541B};
    // O_RDWR | O_NOCTTY | O_NONBLOCK
    int port = call(OPEN, stack[2], 0x2 | 0x100 | 0x800, 0);
    for (int index = 0; index < 3; index++) {
        struct answer answer;
        for (int byte = 0; byte < 100; byte++) answer.bytes[byte] = 0xA5;
        answer.result = call(IOCTL, port, commands[index], (int)answer.bytes);
        call(WRITE, 1, (int)&answer, sizeof answer);
    }
    call(EXIT, port < 0, 0, 0);
}

__asm__(".globl _start\n_start: mov %esp, %eax\n and $-16, %esp\n sub $12, %esp\n push %eax\n call program\n");
