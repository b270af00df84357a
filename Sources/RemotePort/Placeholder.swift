// RemotePort
