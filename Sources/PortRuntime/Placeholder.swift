// PortRuntime
