// CUSEDevice
