set "a" {
  include = ["%{ if true }192.0.2.0/24%{ endif }"]  # ERROR: template directives are not part of the policy language
}
