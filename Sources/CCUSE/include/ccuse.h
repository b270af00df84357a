#ifndef CCUSE_H
#define CCUSE_H
#endif
