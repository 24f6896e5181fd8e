service "media" { udp = [3478], tcp = [443] }   # ERROR: invalid single-argument block definition
