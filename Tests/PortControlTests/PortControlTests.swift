import PortControl
import Testing
