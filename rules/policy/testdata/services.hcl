service "nothing" {                 # ERROR: service "nothing" is empty
}
service "ports" {
  udp = [0]                         # ERROR: the number 0 is not a port
  tcp = [65536]                     # ERROR: the number 65536 is not a port
  sctp = [443.5]                    # ERROR: the number 443.5 is not a port
}
service "port_strings" {
  udp = ["https"]                   # ERROR: the string "https" is not a port
  tcp = ["0-100"]                   # ERROR: the string "0-100" is not a port
  sctp = ["90-80"]                  # ERROR: port range 90-80 ends before it starts
}
service "port_types" {
  udp = [true]                      # ERROR: true is not a port
  tcp = []                          # ERROR: tcp is empty
  sctp = any                        # ERROR: any is written in quotes in sctp
}
service "leading_zero" {
  tcp = ["0443"]                    # ERROR: is not a port
}
service "icmp_types" {
  icmp   = ["echo-requst"]          # ERROR: icmp has no type "echo-requst"
  icmpv6 = ["redirect", 256]        # ERROR: icmpv6 has no type "redirect" # ERROR: icmpv6 has no type "256"
}
service "icmp_code" {
  icmp   = ["3/256"]                # ERROR: "256" is not an icmp code
  icmpv6 = [true]                   # ERROR: an icmpv6 type is a name or a number
}
service "protocols" {
  protocols = ["ipsec", 256, "any", true, 1.5, "047"] # ERROR: no IP protocol "ipsec" # ERROR: the number 256 is not # ERROR: protocols does not take any # ERROR: true is not # ERROR: the number 1.5 is not # ERROR: no IP protocol "047"
}
rule "uses" {
  action = "allow"
  to     = any
  services = [service.nothing, service.ports, service.port_strings, service.port_types,
    service.leading_zero, service.icmp_types, service.icmp_code, service.protocols]
}
