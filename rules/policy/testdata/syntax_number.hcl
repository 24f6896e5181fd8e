service "a" {
  udp = [1e9]   # ERROR: this number is not one that a policy needs
}
