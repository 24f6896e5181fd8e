# made by sallyport test for target edge: edits are lost at the next run
# policy: policy.hcl, sha256 abababababababab
# feed: azure (azure public), change 398, sha256 cdcdcdcdcdcdcdcd
# counts: 1 rule, 1 set, 3 IPv4 and 1 IPv6 ranges
# routes: include of IPv4 and IPv6: the addresses of cloud go through the VPN, the rest past it
# on every protocol and port: routes cannot tell ports apart

# Routes of a VPN connection that is a split tunnel: the addresses below enter it. Windows
# adds them when the connection comes up, and takes them away when it ends.
# Load:   powershell -ExecutionPolicy Bypass -File edge.ps1
#         as the user whose connection it is. Then reconnect. Run it
#         again as often as you like.
# Remove: the same command, with -Remove at the end.
param([switch]$Remove)
$ErrorActionPreference = 'Stop'
$name = 'Office'
$allUsers = $false
$routes = @(
    '20.202.0.0/16'
    '52.112.0.0/14'
    '52.122.0.0/15'
    '2603:1063::/38'
)

$scope = @{}
if ($allUsers) { $scope.AllUserConnection = $true }
# What this script added is on record: it removes that and nothing else.
$key = 'HKCU:\SOFTWARE\sallyport\routes\edge'
if ($allUsers) { $key = 'HKLM:\SOFTWARE\sallyport\routes\edge' }

# Runs take turns. One that was cut short leaves its turn to the next.
$scopeOfTurn = 'Local'
if ($allUsers) { $scopeOfTurn = 'Global' }
$turn = New-Object System.Threading.Mutex($false, "$scopeOfTurn\sallyport-routes-edge")
try {
    if (-not $turn.WaitOne(60000)) { throw 'another run has been going on for a minute: nothing was changed' }
} catch [System.Threading.AbandonedMutexException] {
    Write-Verbose 'an earlier run was cut short'
}

# One way to write each prefix.
function ConvertTo-Prefix([string]$text) {
    $address, $bits = $text -split '/'
    return '{0}/{1}' -f [System.Net.IPAddress]::Parse($address), $bits
}

function Find-Connection([string]$connection) {
    return Get-VpnConnection -Name $connection @scope -ErrorAction SilentlyContinue
}

function Get-Routes([string]$connection) {
    $have = @{}
    foreach ($route in (Find-Connection $connection).Routes) {
        if ($route) { $have[(ConvertTo-Prefix $route.DestinationPrefix)] = $true }
    }
    return $have
}

function Remove-Routes([string]$connection, [string[]]$prefixes) {
    $have = Get-Routes $connection
    foreach ($prefix in $prefixes) {
        if ($have.ContainsKey($prefix)) {
            Remove-VpnConnectionRoute -ConnectionName $connection -DestinationPrefix $prefix @scope -Confirm:$false | Out-Null
        }
    }
}

function Save-Record([string[]]$prefixes) {
    if (-not (Test-Path -LiteralPath $key)) { New-Item -Path $key -Force | Out-Null }
    New-ItemProperty -LiteralPath $key -Name Connection -PropertyType String -Value $name -Force | Out-Null
    New-ItemProperty -LiteralPath $key -Name Routes -PropertyType MultiString -Value $prefixes -Force | Out-Null
}

if (-not $Remove) {
    $connection = Find-Connection $name
    if (-not $connection) { throw "there is no VPN connection '$name': make it first" }
    if (-not $connection.SplitTunneling) {
        throw "the VPN connection '$name' takes everything, whatever its routes: Set-VpnConnection -Name '$name' -SplitTunneling `$true"
    }
}

$mine = @{}
if (Test-Path -LiteralPath $key) {
    $record = Get-ItemProperty -LiteralPath $key
    if ($record.Connection -eq $name) {
        foreach ($prefix in $record.Routes) { if ($prefix) { $mine[$prefix] = $true } }
    } else {
        Remove-Routes $record.Connection $record.Routes
    }
}
$wanted = @{}
if (-not $Remove) { foreach ($prefix in $routes) { $wanted[(ConvertTo-Prefix $prefix)] = $true } }
$have = Get-Routes $name
$new = @($wanted.Keys | Where-Object { -not $have.ContainsKey($_) })
$gone = @($mine.Keys | Where-Object { -not $wanted.ContainsKey($_) })
$kept = @($mine.Keys | Where-Object { $wanted.ContainsKey($_) -and $have.ContainsKey($_) })

# The record comes first: a run that is cut short leaves nothing that nobody knows of.
Save-Record ($kept + $gone + $new)
Remove-Routes $name $gone
foreach ($prefix in $new) {
    Add-VpnConnectionRoute -ConnectionName $name -DestinationPrefix $prefix @scope -Confirm:$false | Out-Null
}
if ($Remove) { Remove-Item -LiteralPath $key } else { Save-Record ($kept + $new) }
Write-Output "$($new.Count) routes added, $($gone.Count) withdrawn. Reconnect to use them."
$turn.ReleaseMutex()
