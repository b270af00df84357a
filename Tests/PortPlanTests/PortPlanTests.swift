import PortPlan
import Testing
