#include "ccuse.h"
